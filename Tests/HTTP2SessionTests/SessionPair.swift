import HTTP2Session
import NIOCore
import Testing

/// A client and a server session joined in memory, with every event recorded.
final class SessionPair {
  let client: HTTP2Session
  let server: HTTP2Session
  var clientEvents: [HTTP2Event] = []
  var serverEvents: [HTTP2Event] = []
  /// Deliver so many bytes at a time; nil delivers each output buffer whole.
  var chunk: Int?

  init(
    client: HTTP2SessionConfiguration = .init(), server: HTTP2SessionConfiguration = .init(), chunk: Int? = nil
  ) throws {
    self.client = try HTTP2Session(role: .client, configuration: client)
    self.server = try HTTP2Session(role: .server, configuration: server)
    self.chunk = chunk
    try pump()
  }

  /// Moves bytes both ways until both ends are quiet.
  func pump() throws {
    var moved = true
    while moved {
      let toServer = try move(from: client, to: server)
      drain()
      let toClient = try move(from: server, to: client)
      drain()
      moved = toServer || toClient
    }
  }

  func output(of session: HTTP2Session, limit: Int = 1 << 30) throws -> [ByteBuffer] {
    var buffers: [ByteBuffer] = []
    try session.takeOutput(limit: limit) { buffers.append($0) }
    return buffers
  }

  private func move(from: HTTP2Session, to: HTTP2Session) throws -> Bool {
    let buffers = try output(of: from)
    for var buffer in buffers {
      while buffer.readableBytes > 0 {
        let count = min(chunk ?? buffer.readableBytes, buffer.readableBytes)
        let slice = buffer.readSlice(length: count)
        try to.receive(#require(slice))
      }
    }
    return !buffers.isEmpty
  }

  private func drain() {
    while let event = client.nextEvent() { clientEvents.append(event) }
    while let event = server.nextEvent() { serverEvents.append(event) }
  }
}

let requestHead = [
  HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", "/echo"),
  HTTP2Header(":authority", "weir"),
]
let responseHead = [HTTP2Header(":status", "200"), HTTP2Header("content-type", "application/grpc")]

extension [HTTP2Event] {
  func body(of stream: HTTP2StreamID) -> [UInt8] {
    var bytes: [UInt8] = []
    for case .data(stream, let chunk) in self { bytes.append(contentsOf: chunk.readableBytesView) }
    return bytes
  }

  func headers(_ kind: HTTP2HeaderKind) -> [[HTTP2Header]] {
    compactMap { event in
      if case .headers(_, kind, let fields, _) = event { fields } else { nil }
    }
  }

  var closures: [(stream: HTTP2StreamID, code: HTTP2ErrorCode, byPeer: Bool)] {
    compactMap { event in
      if case .streamClosed(let stream, let code, let byPeer) = event { (stream, code, byPeer) } else { nil }
    }
  }

  var terminations: [HTTP2ErrorCode] {
    compactMap { event in
      if case .terminated(let code, _) = event { code } else { nil }
    }
  }

  var goAways: [HTTP2ErrorCode] {
    compactMap { event in
      if case .goAway(_, let code, _) = event { code } else { nil }
    }
  }

  func endedStreams() -> [HTTP2StreamID] {
    compactMap { event in
      if case .endStream(let stream) = event { stream } else { nil }
    }
  }
}
