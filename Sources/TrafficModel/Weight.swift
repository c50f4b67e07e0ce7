/// A share of traffic in percent with two decimals: from 0 over 0.01 to 100.
///
///     release.setWeight(20)
///     release.setWeight(0.05)
///
/// A literal that is no such share is a programming mistake and traps; what comes from outside goes through `init(percent:)`
/// or `init(basisPoints:)`, which give nil.
public struct Weight: Sendable, Hashable, Comparable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
  /// Hundredths of a percent, 0 to 10,000.
  public let basisPoints: UInt32

  public static let none = Weight(unchecked: 0)
  public static let all = Weight(unchecked: 10_000)

  private init(unchecked basisPoints: UInt32) { self.basisPoints = basisPoints }

  public init?(basisPoints: Int) {
    guard (0...10_000).contains(basisPoints) else { return nil }
    self.basisPoints = UInt32(basisPoints)
  }

  /// Nil if it is not between 0 and 100, or has more than two decimals.
  public init?(percent: Double) {
    guard percent >= 0, percent <= 100 else { return nil }
    let rounded = (percent * 100).rounded()
    // A hundredth has no exact Double; what people write is closer to it than this.
    guard abs(percent * 100 - rounded) < 1e-6 else { return nil }
    basisPoints = UInt32(rounded)
  }

  public init(integerLiteral value: Int) {
    guard let weight = Weight(percent: Double(value)) else {
      preconditionFailure("\(value) is no weight: 0 to 100 percent")
    }
    self = weight
  }

  public init(floatLiteral value: Double) {
    guard let weight = Weight(percent: value) else {
      preconditionFailure("\(value) is no weight: 0 to 100 percent, with at most two decimals")
    }
    self = weight
  }

  public var percent: Double { Double(basisPoints) / 100 }

  /// What is left to all.
  public var complement: Weight { Weight(unchecked: 10_000 - basisPoints) }

  public static func < (a: Self, b: Self) -> Bool { a.basisPoints < b.basisPoints }
}

extension Weight: CustomStringConvertible {
  /// `20 %`, `0.05 %`, `12.5 %`.
  public var description: String {
    let (whole, rest) = basisPoints.quotientAndRemainder(dividingBy: 100)
    if rest == 0 { return "\(whole) %" }
    if rest.isMultiple(of: 10) { return "\(whole).\(rest / 10) %" }
    return "\(whole).\(rest < 10 ? "0" : "")\(rest) %"
  }
}

extension Weight: Codable {
  /// As a number, in percent.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let percent = try container.decode(Double.self)
    guard let weight = Weight(percent: percent) else {
      throw DecodingError.dataCorruptedError(
        in: container, debugDescription: "\(percent) is no weight: 0 to 100 percent, with at most two decimals")
    }
    self = weight
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if basisPoints.isMultiple(of: 100) {
      try container.encode(basisPoints / 100)
    } else {
      try container.encode(percent)
    }
  }
}
