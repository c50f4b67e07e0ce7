/// One HTTP/2 frame (RFC 9113, section 4.1), built by hand: nothing keeps a test from building a wrong one.
struct Frame: Sendable, Equatable, CustomStringConvertible {
  enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let priority: UInt8 = 2
    static let resetStream: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
    static let names = [
      "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
      "CONTINUATION",
    ]
  }

  enum Flags {
    static let acknowledgement: UInt8 = 0x1
    static let endStream: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20
  }

  var kind: UInt8
  var flags: UInt8 = 0
  /// All 32 bits, the reserved one too.
  var stream: UInt32 = 0
  var payload: [UInt8] = []

  static let headerLength = 9

  /// The wire bytes; `length` overrides what the header says.
  func bytes(length: Int? = nil) -> [UInt8] {
    let length = length ?? payload.count
    return [UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff), kind, flags]
      + bigEndian(stream) + payload
  }

  var endsStream: Bool { kind <= Kind.headers && flags & Flags.endStream != 0 }
  var isAcknowledgement: Bool { (kind == Kind.settings || kind == Kind.ping) && flags & Flags.acknowledgement != 0 }

  /// The code of a RST_STREAM or GOAWAY.
  var errorCode: UInt32? {
    let offset =
      switch kind {
      case Kind.resetStream: 0
      case Kind.goAway: 4
      default: Int.max
      }
    guard offset < payload.count, payload.count >= offset + 4 else { return nil }
    return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }

  var description: String {
    let name = Int(kind) < Kind.names.count ? Kind.names[Int(kind)] : "type \(kind)"
    let code = errorCode.map { " \(ErrorCode(rawValue: $0))" } ?? ""
    return "\(name)\(code) on \(stream), flags \(flags), \(payload.count) B"
  }
}

/// RFC 9113, section 7.
struct ErrorCode: Hashable, Sendable, CustomStringConvertible {
  var rawValue: UInt32

  static let noError = ErrorCode(rawValue: 0)
  static let protocolError = ErrorCode(rawValue: 1)
  static let internalError = ErrorCode(rawValue: 2)
  static let flowControlError = ErrorCode(rawValue: 3)
  static let streamClosed = ErrorCode(rawValue: 5)
  static let frameSizeError = ErrorCode(rawValue: 6)
  static let refusedStream = ErrorCode(rawValue: 7)
  static let cancel = ErrorCode(rawValue: 8)
  static let compressionError = ErrorCode(rawValue: 9)
  static let enhanceYourCalm = ErrorCode(rawValue: 11)

  private static let names = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
  ]
  var description: String { rawValue < 14 ? Self.names[Int(rawValue)] : "0x\(String(rawValue, radix: 16))" }
}

func bigEndian(_ value: UInt32) -> [UInt8] {
  [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
}

// MARK: The frames that tests send

extension Frame {
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  static func data(_ stream: UInt32, _ bytes: [UInt8], endStream: Bool = false, padding: Int? = nil) -> Frame {
    Frame(
      kind: Kind.data, flags: (endStream ? Flags.endStream : 0) | (padding == nil ? 0 : Flags.padded), stream: stream,
      payload: padded(bytes, padding))
  }

  /// - Parameter priority: dependency (with the exclusive bit), and weight less one.
  static func headers(
    _ stream: UInt32, _ block: [UInt8], endStream: Bool = true, endHeaders: Bool = true, padding: Int? = nil,
    priority: (dependency: UInt32, weight: UInt8)? = nil
  ) -> Frame {
    let head = priority.map { bigEndian($0.dependency) + [$0.weight] } ?? []
    return Frame(
      kind: Kind.headers,
      flags: (endStream ? Flags.endStream : 0) | (endHeaders ? Flags.endHeaders : 0)
        | (padding == nil ? 0 : Flags.padded) | (priority == nil ? 0 : Flags.priority),
      stream: stream, payload: padded(head + block, padding))
  }

  private static func padded(_ bytes: [UInt8], _ padding: Int?) -> [UInt8] {
    guard let padding else { return bytes }
    return [UInt8(padding)] + bytes + [UInt8](repeating: 0, count: padding)
  }

  static func continuation(_ stream: UInt32, _ block: [UInt8], endHeaders: Bool = true) -> Frame {
    Frame(kind: Kind.continuation, flags: endHeaders ? Flags.endHeaders : 0, stream: stream, payload: block)
  }

  static func priority(_ stream: UInt32, dependency: UInt32 = 0, weight: UInt8 = 15) -> Frame {
    Frame(kind: Kind.priority, stream: stream, payload: bigEndian(dependency) + [weight])
  }

  static func resetStream(_ stream: UInt32, _ code: UInt32 = 8) -> Frame {
    Frame(kind: Kind.resetStream, stream: stream, payload: bigEndian(code))
  }

  static func settings(_ entries: KeyValuePairs<UInt16, UInt32> = [:]) -> Frame {
    Frame(
      kind: Kind.settings,
      payload: entries.flatMap { [UInt8($0.key >> 8), UInt8($0.key & 0xff)] + bigEndian($0.value) })
  }

  static let settingsAcknowledgement = Frame(kind: Kind.settings, flags: Flags.acknowledgement)

  static func ping(_ payload: [UInt8], acknowledgement: Bool = false) -> Frame {
    Frame(kind: Kind.ping, flags: acknowledgement ? Flags.acknowledgement : 0, payload: payload)
  }

  static func goAway(_ code: UInt32 = 0, lastStream: UInt32 = 0, stream: UInt32 = 0) -> Frame {
    Frame(kind: Kind.goAway, stream: stream, payload: bigEndian(lastStream) + bigEndian(code))
  }

  static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> Frame {
    Frame(kind: Kind.windowUpdate, stream: stream, payload: bigEndian(increment))
  }
}

/// SETTINGS identifiers (RFC 9113, section 6.5.2).
enum Setting {
  static let headerTableSize: UInt16 = 1
  static let enablePush: UInt16 = 2
  static let maxConcurrentStreams: UInt16 = 3
  static let initialWindowSize: UInt16 = 4
  static let maxFrameSize: UInt16 = 5
  static let maxHeaderListSize: UInt16 = 6
}
