/// Something that takes bytes from outside, with a generator of inputs that reach into it.
///
/// An input is bytes and nothing else: what `run` does depends on them alone, so that a kept file shows a failure again.
public struct FuzzTarget: Sendable {
  public let name: String
  /// Makes an input. Structure first (frames, messages, requests), then damage at a level of that structure.
  public let generate: @Sendable (inout FuzzRandom) -> [UInt8]
  /// Feeds an input. Throws what is wrong with how the code under test behaved.
  public let run: @Sendable ([UInt8]) throws -> Void
  /// How many of 1,000 inputs of a run over all targets are this one's.
  public let share: Int

  init(
    name: String, share: Int, generate: @escaping @Sendable (inout FuzzRandom) -> [UInt8],
    run: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    self.name = name
    self.share = share
    self.generate = generate
    self.run = run
  }

  public static let all: [FuzzTarget] = [.http2, .grpc, .protobuf, .xds]

  public static func named(_ name: String) -> FuzzTarget? { all.first { $0.name == name } }
}

/// A rule that the code under test broke.
public struct FuzzFailure: Error, CustomStringConvertible {
  public let description: String

  public init(_ description: String) {
    self.description = description
  }
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  guard condition else { throw FuzzFailure(message()) }
}
