internal import HTTP2Session
internal import HTTP2Transport
internal import NIOCore
internal import NIOEmbedded

extension FuzzTarget {
  /// Bytes of an HTTP/2 connection, from a peer that may be anybody.
  public static let http2 = FuzzTarget(
    name: "http2", share: 300, generate: { HTTP2Generator.input(&$0) },
    run: { try runHTTP2($0) })
}

/// - Returns: what the handlers of the calls have heard, if there were any.
@discardableResult
func runHTTP2(_ input: [UInt8]) throws -> CallLedger? {
  var program = ByteProgram(input)
  let receiver = HTTP2Receiver.allCases[program.below(HTTP2Receiver.allCases.count)]
  let manner = program.byte()
  let chunks = Chunks(of: Array(program.rest()), manner: manner)
  switch receiver {
  case .server: try SessionRun(role: .server, manner: manner).go(chunks)
  case .client: try SessionRun(role: .client, manner: manner).go(chunks)
  case .pipeline, .pipelineAgain: return try pipelineRun(chunks, manner: manner)
  }
  return nil
}

/// Who gets the bytes.
enum HTTP2Receiver: UInt8, CaseIterable {
  /// A session alone, in the role of the server or of the client.
  case server, client
  /// The whole server. Twice, so that it gets half of the inputs.
  case pipeline, pipelineAgain
}

/// Bytes cut as a network may cut them: in one piece, byte by byte, or at places that depend on `manner`.
struct Chunks: Sequence, IteratorProtocol {
  private let bytes: [UInt8]
  private let manner: Int
  private var position = 0
  private var random: FuzzRandom
  let byteCount: Int

  init(of bytes: [UInt8], manner: Int) {
    self.bytes = bytes
    self.manner = manner
    random = FuzzRandom(seed: UInt64(manner))
    byteCount = bytes.count
  }

  mutating func next() -> ArraySlice<UInt8>? {
    guard position < bytes.count else { return nil }
    let left = bytes.count - position
    let count =
      switch manner % 8 {
      case 0...2: left
      case 3: byteCount <= 512 ? 1 : 1 + random.below(64)
      default: 1 + random.below(Swift.max(1, byteCount / 3))
      }
    defer { position += Swift.min(count, left) }
    return bytes[position..<position + Swift.min(count, left)]
  }
}

/// What a peer's bytes may make the server write, in all: frames that answer frames (a WINDOW_UPDATE or RST_STREAM of 13
/// bytes for a frame of 9), heads and trailers of answered calls, and what the application sends, in frames.
private func outputLimit(received: Int, sent: Int) -> Int { 4096 + 16 * received + sent + sent / 4 }

private func pipelineRun(_ chunks: Chunks, manner: Int) throws -> CallLedger {
  let server = EmbeddedServer(world: ServedWorld.small())
  defer { server.closeAll() }
  server.publish()
  let connection = try server.connect()
  var written = 0
  var random = FuzzRandom(seed: UInt64(manner) << 8)
  for chunk in chunks {
    connection.receive(chunk)
    guard connection.isOpen else { break }
    // A peer that reads, one that does not for a while, time, and a server that wants to end.
    switch manner < 128 ? 0 : random.below(12) {
    case 1: connection.setWritable(false)
    case 2: connection.setWritable(true)
    case 3: server.loop.advanceTime(by: .seconds(7))
    case 4: server.publish()
    case 5: if random.oneIn(8) { connection.drain() }
    default: break
    }
    written += try connection.output().reduce(0) { $0 + $1.readableBytes }
  }
  if manner & 64 != 0 { connection.setWritable(true) }
  if manner & 32 != 0 { server.loop.advanceTime(by: .minutes(11)) }
  written += try connection.output().reduce(0) { $0 + $1.readableBytes }
  if connection.isOpen { connection.close() }
  let limit = outputLimit(received: chunks.byteCount, sent: 400_000 + 64 * chunks.byteCount)
  try require(written <= limit, "\(written) bytes written for \(chunks.byteCount) received")
  try server.checkClosed()
  return server.ledger
}
