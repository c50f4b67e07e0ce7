internal import TrafficModel

/// In seconds, with decimals.
extension ReleaseDuration: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let seconds = try container.decode(Double.self)
    guard seconds >= 0, seconds <= 1e9 else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(seconds) is no number of seconds")
    }
    milliseconds = UInt64((seconds * 1000).rounded())
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if milliseconds.isMultiple(of: 1000) {
      try container.encode(milliseconds / 1000)
    } else {
      try container.encode(seconds)
    }
  }
}

/// `"none"`, `"approval"`, or a number of seconds.
extension ReleasePause: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let text = try? container.decode(String.self) {
      switch text {
      case "none": self = .none
      case "approval": self = .untilApproved
      default:
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "a pause is none, approval, or a number of seconds, and not \(text)")
      }
    } else {
      self = .time(try container.decode(ReleaseDuration.self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .none: try container.encode("none")
    case .untilApproved: try container.encode("approval")
    case .time(let time): try container.encode(time)
    }
  }
}

/// `{"weight": 5, "pause": 60}`, with `"mirror"` where it mirrors; or a weight alone.
extension ReleaseStep: Codable {
  private enum Key: String, CodingKey { case weight, mirror, pause }

  public init(from decoder: any Decoder) throws {
    if let weight = try? decoder.singleValueContainer().decode(Double.self) {
      guard let weight = Weight(percent: weight) else {
        throw DecodingError.dataCorrupted(
          .init(codingPath: decoder.codingPath, debugDescription: "\(weight) is no weight"))
      }
      self.init(weight)
      return
    }
    let container = try decoder.container(keyedBy: Key.self)
    self.init(
      try container.decode(Weight.self, forKey: .weight),
      mirror: try container.decodeIfPresent(Weight.self, forKey: .mirror) ?? .none,
      pause: try container.decodeIfPresent(ReleasePause.self, forKey: .pause))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(weight, forKey: .weight)
    if mirror > .none { try container.encode(mirror, forKey: .mirror) }
    try container.encodeIfPresent(pause, forKey: .pause)
  }
}

/// As fields of the same names; what is missing has its default.
extension GuardRails: Codable {
  private enum Key: String, CodingKey { case minimumReady, capacity, onShortfall, onEmpty }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init()
    if let value = try container.decodeIfPresent(Int.self, forKey: .minimumReady) { minimumReady = value }
    if let value = try container.decodeIfPresent(Weight.self, forKey: .capacity) { capacity = value }
    if let value = try container.decodeIfPresent(Shortfall.self, forKey: .onShortfall) { onShortfall = value }
    if let value = try container.decodeIfPresent(Emptiness.self, forKey: .onEmpty) { onEmpty = value }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(minimumReady, forKey: .minimumReady)
    try container.encode(capacity, forKey: .capacity)
    try container.encode(onShortfall, forKey: .onShortfall)
    try container.encode(onEmpty, forKey: .onEmpty)
  }
}
