import NIOCore
import Testing

/// One case of the list: what is sent, and what the server must do. Numbers are those of h2spec's cases, whose sections are
/// RFC 7540's and RFC 7541's; RFC 9113 kept the requirements, except where a case says otherwise.
struct ConformanceCase: Sendable, CustomTestStringConvertible {
  enum Expected: Sendable, CustomStringConvertible {
    /// GOAWAY with one of the codes, and then the end of the connection.
    case connectionError([ErrorCode])
    /// RST_STREAM with one of the codes, and the connection lives; or a connection error with one of them, which RFC 9113,
    /// section 5.4.2, leaves to the server.
    case streamError([ErrorCode], stream: UInt32 = 1)
    /// A whole response, and the connection lives.
    case response(status: String = "200", grpcStatus: String? = "0", stream: UInt32 = 1)
    /// No frame on any stream, and the connection lives.
    case silence
    /// The case looks at the answer by itself; and the connection lives.
    case seen(String)
    /// The case looks at the answer by itself, and that is the end of the connection.
    case ending(String)

    var description: String {
      switch self {
      case .connectionError(let codes): "GOAWAY \(Self.list(codes)) and close"
      case .streamError(let codes, _): "RST_STREAM \(Self.list(codes))"
      case .response(let status, let grpcStatus, _):
        "response \(status)" + (grpcStatus.map { ", grpc-status \($0)" } ?? "")
      case .silence: "nothing, and the connection lives"
      case .seen(let what), .ending(let what): what
      }
    }

    private static func list(_ codes: [ErrorCode]) -> String { codes.map(\.description).joined(separator: " or ") }
  }

  let id: String
  let title: String
  let expected: Expected
  /// Why the server does otherwise, if it does and may.
  var deviation: String?
  let play: @Sendable (RawConnection) async throws -> Void

  init(
    _ id: String, _ title: String, _ expected: Expected, deviation: String? = nil,
    _ play: @escaping @Sendable (RawConnection) async throws -> Void
  ) {
    self.id = id
    self.title = title
    self.expected = expected
    self.deviation = deviation
    self.play = play
  }

  /// A case that begins with a good preface, and then sends these frames at once.
  init(_ id: String, _ title: String, _ expected: Expected, deviation: String? = nil, send frames: [Frame]) {
    self.init(id, title, expected, deviation: deviation) { connection in
      try await connection.handshake()
      connection.send(bytes: frames.flatMap { $0.bytes() })
    }
  }

  var testDescription: String { "\(id) \(title) → \(expected)" }

  // MARK: Running

  /// Plays the case and judges it; returns what the server did.
  func run(port: Int) async throws -> String {
    let connection = try await RawConnection.open(port: port)
    defer { connection.close() }
    try await play(connection)
    switch expected {
    case .connectionError(let codes):
      let frames = try await connection.untilClosed()
      guard let goAway = frames.last, goAway.kind == Frame.Kind.goAway else {
        throw RawConnection.Unexpected("closed without GOAWAY after \(frames)")
      }
      return try Self.check(goAway, codes)
    case .streamError(let codes, let stream):
      return try await judgeStreamError(connection, codes, stream)
    case .response(let status, let grpcStatus, let stream):
      let frames = try await Self.lives(connection)
      let fields = try Self.response(on: stream, in: frames)
      guard fields[":status"] == status, fields["grpc-status"] == grpcStatus else {
        throw RawConnection.Unexpected("the response \(fields)")
      }
      return expected.description
    case .silence:
      let frames = try await Self.lives(connection).filter { $0.stream != 0 }
      guard frames.isEmpty else { throw RawConnection.Unexpected("\(frames)") }
      return expected.description
    case .seen(let what):
      _ = try await Self.lives(connection)
      return what
    case .ending(let what):
      return what
    }
  }

  /// What came until the server had answered two PINGs: the answer to the first may overtake frames that were caused before
  /// it, but these leave together.
  static func lives(_ connection: RawConnection) async throws -> [Frame] {
    try await connection.settled() + connection.settled()
  }

  private static func check(_ frame: Frame, _ codes: [ErrorCode]) throws -> String {
    guard let code = frame.errorCode, codes.contains(ErrorCode(rawValue: code)) else {
      throw RawConnection.Unexpected("\(frame)")
    }
    return frame.kind == Frame.Kind.goAway
      ? "GOAWAY \(ErrorCode(rawValue: code)) and close" : "RST_STREAM \(ErrorCode(rawValue: code))"
  }

  private func judgeStreamError(
    _ connection: RawConnection, _ codes: [ErrorCode], _ stream: UInt32
  ) async throws -> String {
    connection.send(.ping([1, 1, 1, 1, 1, 1, 1, 1]))
    var isAnswered = false
    let verdict = try await connection.first("an error of the stream") { arrival -> Frame?? in
      guard case .frame(let frame) = arrival else { return nil }
      switch frame.kind {
      case Frame.Kind.goAway: return frame
      case Frame.Kind.resetStream where frame.stream == stream: return frame
      case Frame.Kind.ping where !isAnswered:
        isAnswered = true
        connection.send(.ping([2, 2, 2, 2, 2, 2, 2, 2]))
        return nil
      case Frame.Kind.ping: return .some(nil)
      default: return nil
      }
    }
    guard let verdict else { throw RawConnection.Unexpected("no error at all") }
    let outcome = try Self.check(verdict, codes)
    if verdict.kind == Frame.Kind.goAway {
      _ = try await connection.untilClosed()
    } else {
      _ = try await Self.lives(connection)
    }
    return outcome
  }

  /// The fields of a stream's head and trailers, once it has ended.
  static func response(on stream: UInt32, in frames: [Frame]) throws -> [String: String] {
    let mine = frames.filter { $0.stream == stream && $0.kind <= Frame.Kind.headers }
    guard mine.first?.kind == Frame.Kind.headers, mine.last?.endsStream == true else {
      throw RawConnection.Unexpected("no whole response on stream \(stream): \(frames)")
    }
    var fields: [String: String] = [:]
    for frame in mine where frame.kind == Frame.Kind.headers {
      guard let block = HPACK.fields(frame.payload) else {
        throw RawConnection.Unexpected("a header block that cannot be read: \(frame.payload)")
      }
      fields.merge(block.map { ($0.name, $0.value) }) { $1 }
    }
    return fields
  }

  static func body(of stream: UInt32, in frames: [Frame]) -> [UInt8] {
    frames.filter { $0.stream == stream && $0.kind == Frame.Kind.data }.flatMap(\.payload)
  }
}
