import HTTP2Session
import NIOConcurrencyHelpers
import NIOCore
import Testing

/// Peers that break the rules end their own connection with the right code, and nothing traps.
@Suite struct HostilePeerTests {
  private func frame(type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) -> [UInt8] {
    let length = payload.count
    return [UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff), type, flags]
      + [UInt8(stream >> 24), UInt8(stream >> 16 & 0xff), UInt8(stream >> 8 & 0xff), UInt8(stream & 0xff)] + payload
  }

  private let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private func server(_ configuration: HTTP2SessionConfiguration = .init()) throws -> HTTP2Session {
    let session = try HTTP2Session(role: .server, configuration: configuration)
    try session.receive(ByteBuffer(bytes: preface + frame(type: 4)))
    try session.takeOutput(limit: 1 << 20) { _ in }
    return session
  }

  private func termination(of session: HTTP2Session) throws -> HTTP2ErrorCode? {
    try session.takeOutput(limit: 1 << 20) { _ in }
    var code: HTTP2ErrorCode?
    while let event = session.nextEvent() {
      if case .terminated(let reason, _) = event { code = reason }
    }
    return code
  }

  /// Marks in the order that takes longest to sort, which Swift does to hash or compare a text.
  private let marks = String(repeating: "\u{301}", count: 2000) + String(repeating: "\u{323}", count: 2000)

  @Test(arguments: [":path", ":authority"]) func aPseudoFieldThatIsNotASCIIIsMalformed(_ name: String) throws {
    for value in ["/\(marks)", "/caf\u{E9}"] {
      let pair = try SessionPair()
      var head = [
        HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", "/a"),
        HTTP2Header(":authority", "weir"),
      ]
      let index = try #require(head.firstIndex { $0.name == name })
      head[index].value = value
      let stream = try pair.client.openStream(head, endStream: false)
      try pair.pump()
      #expect(
        pair.clientEvents.contains {
          if case .streamClosed(stream, .protocolError, byPeer: true) = $0 { true } else { false }
        })
      #expect(!pair.serverEvents.contains { if case .headers = $0 { true } else { false } })
      #expect(pair.server.isAlive && pair.client.isAlive)
    }
  }

  @Test func aFieldThatIsNotASCIIHasAReplacementForEachByte() throws {
    let pair = try SessionPair()
    _ = try pair.client.openStream(
      [
        HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", "/a"),
        HTTP2Header(":authority", "weir"),
        HTTP2Header("content-type", String(marks.unicodeScalars.suffix(1000))), HTTP2Header("x", "caf\u{E9}!"),
      ], endStream: false)
    try pair.pump()
    let fields =
      pair.serverEvents.compactMap { event -> [HTTP2Header]? in
        if case .headers(_, _, let fields, _) = event { fields } else { nil }
      }.first ?? []
    #expect(fields.first(named: "x") == "caf\u{FFFD}\u{FFFD}!")
    #expect(fields.first(named: "content-type") == String(repeating: "\u{FFFD}", count: 2000))
  }

  @Test func anotherProtocolIsRecognised() throws {
    for text in ["GET / HTTP/1.1\r\nHost: weir\r\n\r\n", "\u{16}\u{3}\u{1}\u{0}\u{ff}", "SSH-2.0-OpenSSH\r\n"] {
      let session = try HTTP2Session(role: .server)
      let error = #expect(throws: HTTP2SessionError.self) { try session.receive(ByteBuffer(string: text)) }
      #expect(error?.code == .badPreface)
      session.terminate(.protocolError)
      #expect(try termination(of: session) == .protocolError)
      #expect(!session.isAlive)
    }
  }

  @Test func dataOnAnIdleStreamIsAProtocolError() throws {
    let session = try server()
    try session.receive(ByteBuffer(bytes: frame(type: 0, stream: 5, payload: [1, 2, 3])))
    #expect(try termination(of: session) == .protocolError)
    #expect(!session.isAlive)
  }

  @Test func anOversizedFrameIsAFrameSizeError() throws {
    let session = try server()
    try session.receive(ByteBuffer(bytes: [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]))
    #expect(try termination(of: session) == .frameSizeError)
  }

  @Test func brokenHPACKIsACompressionError() throws {
    let session = try server()
    try session.receive(ByteBuffer(bytes: frame(type: 1, flags: 0x4, stream: 1, payload: [0xff, 0xff, 0xff, 0xff])))
    #expect(try termination(of: session) == .compressionError)
  }

  @Test func windowOverflowIsAFlowControlError() throws {
    let session = try server()
    let update = frame(type: 8, payload: [0x7f, 0xff, 0xff, 0xff])
    try session.receive(ByteBuffer(bytes: update + update))
    #expect(try termination(of: session) == .flowControlError)
  }

  @Test func pingFloodByAPeerThatDoesNotReadEndsTheConnection() throws {
    let session = try server()
    let pings = ByteBuffer(
      bytes: [[UInt8]](repeating: frame(type: 6, payload: .init(repeating: 0, count: 8)), count: 1100).flatMap { $0 })
    let error = #expect(throws: HTTP2SessionError.self) { try session.receive(pings) }
    #expect(error?.code == .flooded)
  }

  @Test func settingsFloodByAPeerThatDoesNotReadEndsTheConnection() throws {
    let session = try server()
    let settings = ByteBuffer(bytes: [[UInt8]](repeating: frame(type: 4), count: 1100).flatMap { $0 })
    let error = #expect(throws: HTTP2SessionError.self) { try session.receive(settings) }
    #expect(error?.code == .flooded)
  }

  @Test func framesThatCarryNothingEndTheConnection() throws {
    let session = try server()
    let priority = frame(type: 2, stream: 3, payload: [0, 0, 0, 0, 16])
    try session.receive(ByteBuffer(bytes: [[UInt8]](repeating: priority, count: 300).flatMap { $0 }))
    #expect(try termination(of: session) == .enhanceYourCalm)
  }

  /// In bytes that are parsed at once: libnghttp2 would end the process.
  @Test func twoReasonsToEndAreOneEnd() throws {
    let session = try server()
    try session.receive(ByteBuffer(bytes: frame(type: 1, flags: 0x4, stream: 1, payload: post)))
    let priority = frame(type: 2, stream: 3, payload: [0, 0, 0, 0, 16])
    // Five bytes of padding in a frame of one.
    let padding = frame(type: 0, flags: 0x8, stream: 1, payload: [5])
    try session.receive(ByteBuffer(bytes: [[UInt8]](repeating: priority, count: 300).flatMap { $0 } + padding))
    #expect(try termination(of: session) == .protocolError)
  }

  private var post: [UInt8] { [0x83, 0x86, 0x84, 0x01, 1, 0x77] }  // POST http / and an authority

  @Test func rapidResetEndsTheConnection() throws {
    var limits = HTTP2SessionConfiguration()
    limits.resetBurst = 50
    limits.resetRefillPerSecond = 1
    let pair = try SessionPair(server: limits)
    for _ in 0..<60 where pair.client.isAlive {
      guard let stream = try? pair.client.openStream(requestHead, endStream: false) else { break }
      try pair.pump()
      pair.client.reset(stream, .cancel)
      try pair.pump()
    }
    #expect(!pair.server.isAlive)
    #expect(pair.clientEvents.goAways.count == 1)
    #expect(pair.serverEvents.headers(.request).count < 60)
  }

  /// A field that was sent once is named again by a byte.
  @Test func longFieldsCountHoweverFewBytesNameThem() throws {
    let pair = try SessionPair()
    let long = requestHead + [HTTP2Header("x-long", String(repeating: "a", count: 3900))]
    func tally(_ head: [HTTP2Header]) throws -> Int {
      _ = pair.server.takeFrameTally()
      _ = try pair.client.openStream(head, endStream: true)
      try pair.pump()
      return pair.server.takeFrameTally().received
    }
    let plain = try tally(requestHead)
    _ = try tally(long)
    #expect(try tally(long) == plain + 3)
  }

  @Test func aHeaderBlockAboveTheLimitResetsOnlyItsStream() throws {
    var limits = HTTP2SessionConfiguration()
    limits.maxHeaderListSize = 1000
    let pair = try SessionPair(server: limits)
    let big = try pair.client.openStream(
      requestHead + [HTTP2Header("x-big", String(repeating: "a", count: 2000))], endStream: true)
    let small = try pair.client.openStream(requestHead, endStream: true)
    try pair.pump()
    #expect(pair.clientEvents.closures.map(\.stream) == [big])
    #expect(pair.clientEvents.closures.map(\.code) == [.enhanceYourCalm])
    #expect(pair.serverEvents.headers(.request) == [requestHead])
    pair.server.respond(responseHead, on: small, endStream: true)
    try pair.pump()
    #expect(pair.clientEvents.closures.map(\.stream) == [big, small])
  }

  @Test func manyContinuationsEndTheConnection() throws {
    let session = try server()
    var bytes = frame(type: 1, stream: 1, payload: [0x82])
    for _ in 0..<100 { bytes += frame(type: 9, stream: 1, payload: []) }
    let error = #expect(throws: HTTP2SessionError.self) { try session.receive(ByteBuffer(bytes: bytes)) }
    #expect(error?.code == .flooded)
    #expect(session.openStreamCount == 0)
  }

  private var get: [UInt8] { [0x82, 0x86, 0x84, 0x01, 1, 0x77] }  // GET http / and an authority

  /// However the bytes are cut: each frame is seen, and the first one that is wrong.
  @Test func aClosedStreamStaysClosedHoweverTheBytesAreCut() throws {
    let open = frame(type: 1, flags: 0x4, stream: 1, payload: get)
    let cases: [(bytes: [UInt8], code: HTTP2ErrorCode)] = [
      (
        frame(type: 1, flags: 0x5, stream: 1, payload: get) + frame(type: 0, stream: 1, payload: [0, 0]), .streamClosed
      ),
      (open + frame(type: 3, stream: 1, payload: [0, 0, 0, 8]) + frame(type: 0, stream: 1), .streamClosed),
      (
        open + frame(type: 0, flags: 1, stream: 1, payload: [UInt8](repeating: 0, count: 300))
          + frame(type: 1, flags: 0x5, stream: 1, payload: get), .streamClosed
      ),
      (frame(type: 1, flags: 0x5, stream: 9, payload: get) + frame(type: 1, stream: 7, payload: get), .protocolError),
      (
        frame(type: 1, flags: 0x5, stream: 9, payload: get) + frame(type: 8, stream: 1, payload: [0, 0, 0, 1]),
        .protocolError
      ),
    ]
    for (bytes, code) in cases {
      for size in [1, 2, 7, 9, 10, bytes.count] {
        let session = try HTTP2Session(role: .server)
        let all = preface + frame(type: 4) + bytes
        for start in stride(from: 0, to: all.count, by: size) {
          try session.receive(ByteBuffer(bytes: all[start..<min(start + size, all.count)]))
        }
        #expect(try termination(of: session) == code)
      }
    }
  }

  /// A peer that has not heard of a reset yet may go on, and end the stream.
  @Test func aStreamThatThisEndResetMayGoOn() throws {
    let session = try server()
    try session.receive(ByteBuffer(bytes: frame(type: 1, flags: 0x4, stream: 1, payload: get)))
    session.reset(HTTP2StreamID(rawValue: 1), .cancel)
    try session.takeOutput(limit: 1 << 20) { _ in }
    try session.receive(
      ByteBuffer(bytes: frame(type: 0, stream: 1, payload: [1, 2, 3]) + frame(type: 0, flags: 1, stream: 1)))
    #expect(try termination(of: session) == nil)
    #expect(session.isAlive)
  }

  /// The budget of resets refills with time, and counts those that the peer makes this end send.
  @Test func resetsAreEarnedBack() throws {
    let now = NIOLockedValueBox(NIODeadline.uptimeNanoseconds(0))
    var limits = HTTP2SessionConfiguration()
    limits.resetBurst = 3
    limits.resetRefillPerSecond = 2
    limits.now = { now.withLockedValue { $0 } }
    let session = try server(limits)
    var stream: UInt32 = 1
    func makeItReset() throws -> HTTP2ErrorCode? {
      // A name in upper case is wrong for one stream.
      let bad = get + [0, 1, 0x58, 1, 0x31]
      try session.receive(ByteBuffer(bytes: frame(type: 1, flags: 0x5, stream: stream, payload: bad)))
      stream += 2
      return try termination(of: session)
    }
    for _ in 0..<3 { #expect(try makeItReset() == nil) }
    now.withLockedValue { $0 = $0 + .seconds(1) }
    for _ in 0..<2 { #expect(try makeItReset() == nil) }
    #expect(try makeItReset() == .enhanceYourCalm)
    #expect(!session.isAlive)
  }

  /// Random bytes after a good preface: any outcome but a trap.
  @Test func noiseNeverTraps() throws {
    var generator = SplitMix(state: 0x5eed)
    for _ in 0..<2000 {
      let session = try server()
      var bytes: [UInt8] = []
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let payload = (0..<Int.random(in: 0...40, using: &generator)).map { _ in
          UInt8.random(in: 0...255, using: &generator)
        }
        bytes += frame(
          type: UInt8.random(in: 0...10, using: &generator), flags: UInt8.random(in: 0...255, using: &generator),
          stream: UInt32.random(in: 0...5, using: &generator), payload: payload)
      }
      do {
        try session.receive(ByteBuffer(bytes: bytes))
        try session.takeOutput(limit: 1 << 20) { _ in }
      } catch {
        #expect(error.code != .invalidState)
      }
      while session.nextEvent() != nil {}
    }
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
