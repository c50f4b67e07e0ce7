internal import GRPCTransport
internal import HTTP2Session
internal import NIOCore

extension FuzzTarget {
  /// The body of a call, cut anywhere: the deframer alone against a reference, and whole calls that echo.
  public static let grpc = FuzzTarget(
    name: "grpc", share: 250, generate: { GRPCGenerator.input(&$0) },
    run: { input in
      var program = ByteProgram(input)
      let manner = program.byte()
      let cut = program.byte()
      let maximum = [4 << 20, 64, 1000, 0][program.below(4)]
      let body = Array(program.rest())
      if manner % 4 == 0 {
        try EchoRun().go(body, cut: cut, endsWell: manner & 16 == 0)
      } else {
        try compareDeframers(body, cut: cut, maximum: maximum)
      }
    })
}

private func compareDeframers(_ body: [UInt8], cut: Int, maximum: Int) throws {
  let expected = ReferenceFraming(body, maximum: maximum)
  var deframer = GRPCDeframer(maxMessageSize: maximum)
  var messages: [[UInt8]] = []
  var status: GRPCStatus?
  var received = 0
  chunks: for chunk in Chunks(of: body, manner: cut) {
    // A buffer that holds other bytes as well, as a DATA frame's does.
    var buffer = ByteBuffer(bytes: [1, 2, 3] + chunk + [4])
    buffer.moveReaderIndex(forwardBy: 3)
    buffer.moveWriterIndex(to: buffer.writerIndex - 1)
    deframer.append(buffer)
    received += chunk.count
    do throws(GRPCStatus) {
      while let message = try deframer.next() { messages.append(Array(message.readableBytesView)) }
    } catch {
      status = error
      break chunks
    }
    try require(deframer.bufferedBytes <= received, "more is buffered than was received")
    try require(deframer.bufferedBytes < maximum + 5, "a message over the limit is buffered")
  }
  try require(messages == expected.messages, "\(messages.count) messages, the reference \(expected.messages.count)")
  switch expected.ending {
  case .waiting(let count):
    try require(status == nil, "refused: \(status.map(String.init(describing:)) ?? "")")
    try require(deframer.bufferedBytes == count, "\(deframer.bufferedBytes) bytes wait, the reference has \(count)")
  case .compressed: try require(status?.code == .unimplemented, "compressed, and \(String(describing: status))")
  case .unknownFlag: try require(status?.code == .internal, "an unknown flag, and \(String(describing: status))")
  case .tooLarge: try require(status?.code == .resourceExhausted, "too large, and \(String(describing: status))")
  }
}

/// One call with a body cut anywhere, from a client session that checks what the server writes, to the echo handler.
private final class EchoRun {
  private let server = EmbeddedServer(world: ServedWorld.small())
  private let client: HTTP2Session
  private var response: [UInt8] = []
  private var status: Int?
  private var hasClosed = false
  private var wasReset = false

  init() throws {
    client = try HTTP2Session(role: .client)
  }

  func go(_ body: [UInt8], cut: Int, endsWell: Bool) throws {
    defer { server.closeAll() }
    let connection = try server.connect()
    let head = [
      HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", EmbeddedServer.echo),
      HTTP2Header(":authority", "weir"), HTTP2Header("content-type", "application/grpc"),
    ]
    let stream = try client.openStream(head, endStream: false)
    for chunk in Chunks(of: body, manner: cut) {
      client.write(ByteBuffer(bytes: chunk), on: stream)
      try exchange(connection)
    }
    if endsWell { client.end(stream) } else { client.reset(stream, .cancel) }
    try exchange(connection)
    if endsWell { try check(body) }
    connection.close()
    try server.checkClosed()
  }

  private func exchange(_ connection: EmbeddedServer.Connection) throws {
    var moved = true
    while moved {
      moved = false
      _ = try client.takeOutput(limit: .max) { buffer in
        moved = true
        connection.receive(buffer)
      }
      for buffer in try connection.output() where buffer.readableBytes > 0 {
        moved = true
        try client.receive(buffer)
        try drainEvents()
      }
    }
    try require(connection.isOpen, "the server closed the connection of an innocent call")
  }

  private func drainEvents() throws {
    while let event = client.nextEvent() {
      switch event {
      case .data(let id, let bytes):
        response += bytes.readableBytesView
        client.consume(bytes.readableBytes, on: id)
      case .headers(_, _, let fields, _):
        if let value = fields.first(named: "grpc-status") { status = Int(value) }
      case .streamClosed(_, let code, let byPeer):
        hasClosed = true
        wasReset = byPeer && code != .noError
      case .terminated(let code, let reason):
        throw FuzzFailure("the server sent what a client refuses: \(code) \(reason)")
      case .goAway(_, let code, _): throw FuzzFailure("GOAWAY with \(code) for an innocent call")
      default: break
      }
    }
  }

  /// What the echo handler must have answered.
  private func check(_ body: [UInt8]) throws {
    let framing = ReferenceFraming(body, maximum: GRPCServerConfiguration().maxMessageSize)
    var expected: [[UInt8]] = []
    var code: Int?
    commands: for message in framing.messages {
      switch message.first.map({ $0 % 16 }) {
      case 1, 5: break
      case 2: code = 0; break commands
      case 3:
        try require(hasClosed && wasReset, "the handler reset the call, and the client does not know")
        return
      case 4: expected.append([UInt8](repeating: 7, count: 100_000))
      case 6: return
      case 7: code = 13; break commands
      default: expected.append(message)
      }
    }
    if code == nil {
      switch framing.ending {
      case .waiting(0): code = 0
      case .waiting, .unknownFlag: code = 13
      case .compressed: code = 12
      case .tooLarge: code = 8
      }
    }
    let heard = ReferenceFraming(response, maximum: .max)
    try require(heard.ending == .waiting(0), "the response ends inside a message")
    try require(heard.messages == expected, "\(heard.messages.count) echoes instead of \(expected.count)")
    try require(hasClosed, "stuck: the call has its whole request and no end")
    try require(status == code, "status \(String(describing: status)) instead of \(String(describing: code))")
  }
}
