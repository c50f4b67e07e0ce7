import HTTP2Session
import NIOCore
import Testing

@Suite struct SharedBodyTests {
  private func address(_ buffer: ByteBuffer) -> UInt {
    buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
  }

  /// One encoded response on two streams of two connections: every slice that goes out lies in the original storage.
  @Test func bodySlicesShareTheStorageOfTheOriginal() throws {
    let response = ByteBuffer(repeating: 0xa5, count: 40_000)
    let base = address(response)
    for _ in 0..<2 {
      let pair = try SessionPair()
      let streams = try (0..<2).map { _ in try pair.client.openStream(requestHead, endStream: true) }
      try pair.pump()
      for stream in streams {
        pair.server.respond(responseHead, on: stream, endStream: false)
        pair.server.write(response, on: stream)
      }
      let output = try pair.output(of: pair.server)
      let shared = output.filter { base..<(base + 40_000) ~= address($0) }
      // The connection's window (65,535 until the client's WINDOW_UPDATE, which has arrived) lets both through.
      #expect(shared.reduce(0) { $0 + $1.readableBytes } == 80_000)
      #expect(output.filter { $0.readableBytes > 1000 }.count == shared.count)
      // 16,384 is the largest frame that a peer must take: three frames each.
      #expect(shared.map(\.readableBytes).sorted() == [7232, 7232, 16_384, 16_384, 16_384, 16_384])
    }
  }

  @Test func smallBodiesTravelBesideTheirFrameHeader() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: true)
    try pair.pump()
    pair.server.respond(responseHead, on: stream, endStream: false)
    _ = try pair.output(of: pair.server)
    pair.server.write(ByteBuffer(string: "tiny"), on: stream)
    let output = try pair.output(of: pair.server)
    #expect(output.map(\.readableBytes) == [9 + 4])
  }

  @Test func manySlicesFillOneFrame() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: false)
    for index in 0..<100 { pair.client.write(ByteBuffer(repeating: UInt8(index), count: 300), on: stream) }
    pair.client.end(stream)
    try pair.pump()
    let expected = (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 300) }
    #expect(pair.serverEvents.body(of: stream) == expected)
  }

  @Test func outputStopsNearItsLimit() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: false)
    pair.client.write(ByteBuffer(repeating: 1, count: 500_000), on: stream)
    let first = try pair.output(of: pair.client, limit: 64 * 1024)
    let count = first.reduce(0) { $0 + $1.readableBytes }
    #expect((64 * 1024..<96 * 1024).contains(count))
    #expect(pair.client.wantsWrite)
  }

  /// Received bytes are slices of the buffer that came in, not copies.
  @Test func inboundDataIsASliceOfTheInput() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: false)
    pair.client.write(ByteBuffer(repeating: 7, count: 1000), on: stream)
    var wire = ByteBuffer()
    for buffer in try pair.output(of: pair.client) { wire.writeImmutableBuffer(buffer) }
    try pair.server.receive(wire)
    var found = false
    while let event = pair.server.nextEvent() {
      guard case .data(stream, let body) = event else { continue }
      found = true
      #expect((address(wire)..<(address(wire) + UInt(wire.readableBytes))).contains(address(body)))
    }
    #expect(found)
  }

  /// What waits to be written stays as it is when another session puts its output together in the same place.
  @Test func sessionsOfAThreadShareTheirScratch() throws {
    let scratch = OutputScratch()
    let sessions = try (0..<2).map { _ in try HTTP2Session(role: .server, scratch: scratch) }
    func output(_ session: HTTP2Session) throws -> [ByteBuffer] {
      var buffers: [ByteBuffer] = []
      try session.takeOutput(limit: 1 << 20) { buffers.append($0) }
      return buffers
    }
    let preface = try output(sessions[0])
    let bytes = preface.map { Array($0.readableBytesView) }
    #expect(try output(sessions[1]).map { Array($0.readableBytesView) } == bytes)
    sessions[1].ping(1)
    let ping = try output(sessions[1])
    #expect(preface.map { Array($0.readableBytesView) } == bytes)
    #expect(ping.map(\.readableBytes) == [9 + 8])
  }
}
