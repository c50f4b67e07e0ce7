/// Makes byte streams of HTTP/2 frames: a conversation that could be, with damage at some level.
///
/// An input is one byte that says who receives (`HTTP2Receiver`), one that says how the bytes are cut, and the bytes.
struct HTTP2Generator {
  private var random: FuzzRandom
  private var out = FrameWriter()
  /// Streams that were opened, newest last.
  private var opened: [UInt32] = []
  private var next: UInt32 = 1
  private let receiver: HTTP2Receiver
  /// Nothing that ends the connection: such a conversation gets far, and is damaged afterwards or not at all.
  private let isCalm: Bool

  static func input(_ random: inout FuzzRandom) -> [UInt8] {
    let receiver = HTTP2Receiver.allCases[random.below(HTTP2Receiver.allCases.count)]
    var generator = HTTP2Generator(random: random, receiver: receiver, isCalm: random.oneIn(2))
    var wire = generator.conversation()
    random = generator.random
    if random.oneIn(4) { wire.mutate(count: 1 + random.below(4), &random) }
    return [receiver.rawValue, random.byte()] + wire
  }

  private init(random: FuzzRandom, receiver: HTTP2Receiver, isCalm: Bool) {
    self.isCalm = isCalm
    self.random = random
    self.receiver = receiver
  }

  private mutating func conversation() -> [UInt8] {
    if !isCalm && random.oneIn(64) { return noise() }
    if receiver != .client && (isCalm || !random.oneIn(100)) { out.raw(FrameWriter.clientPreface) }
    if isCalm || !random.oneIn(30) { settings() }
    if receiver == .client { opened = [1, 3, 5] }
    for _ in 0..<(2 + random.length(upTo: 40)) { frame() }
    return out.bytes
  }

  private mutating func noise() -> [UInt8] {
    switch random.below(3) {
    case 0: random.bytes(random.length(upTo: 400))
    case 1: Array("GET / HTTP/1.1\r\nhost: a\r\n\r\n".utf8)
    default: [0x16, 0x03, 0x01, 0x02, 0x00, 0x01] + random.bytes(64)
    }
  }

  // MARK: Frames

  private mutating func frame() {
    // The last kinds are violations, or lead to one.
    switch random.below(isCalm ? 18 : 24) {
    case 0...5: open()
    case 6...11: data()
    case 12: settings()
    case 13: out.frame(FrameWriter.Kind.settings, flags: FrameWriter.Flag.acknowledgement, stream: 0, [])
    case 14: out.frame(FrameWriter.Kind.ping, flags: random.byte() & 1, stream: 0, random.bytes(8))
    case 15, 16:
      let increment = isCalm ? 1 + UInt32(random.below(100_000)) : UInt32(truncatingIfNeeded: random.interesting())
      out.windowUpdate(random.oneIn(2) ? 0 : stream(), increment)
    case 17 where !opened.isEmpty || !isCalm:
      let id = stream()
      out.frame(FrameWriter.Kind.resetStream, stream: id, FrameWriter.number(UInt32(random.below(16))))
      isOver(id)
    case 18: priority()
    case 19: trailers()
    case 20: flood()
    case 21: goAway()
    case 22: pushPromise()
    default: if !isCalm { anything() }
    }
  }

  /// Mostly a stream that is there, sometimes one that was, will be, or cannot be.
  private mutating func stream() -> UInt32 {
    guard !isCalm || !opened.isEmpty else { return 0 }
    if isCalm, let newest = opened.last { return random.oneIn(3) ? random.pick(opened) : newest }
    return anyStream()
  }

  private mutating func anyStream() -> UInt32 {
    switch random.below(16) {
    case 0: UInt32(truncatingIfNeeded: random.interesting())
    case 1: next
    case 2: 2
    case 3: 0
    default: opened.isEmpty ? 1 : random.pick(opened)
    }
  }

  /// This side has ended the stream.
  private mutating func isOver(_ stream: UInt32) {
    if isCalm { opened.removeAll { $0 == stream } }
  }

  private mutating func open() {
    var id = next
    if receiver == .client {
      id = stream()
    } else if !isCalm && random.oneIn(20) {
      id = stream()
    } else {
      opened.append(id)
      next += random.oneIn(10) ? 4 : 2
    }
    var block = receiver == .client ? responseHead() : requestHead()
    if !isCalm && random.oneIn(6) { block += oddFields() }
    if !isCalm && random.oneIn(12) { block.mutate(count: 1, &random) }
    headers(id, block, endStream: random.oneIn(isCalm ? 20 : 6))
  }

  private mutating func requestHead() -> [UInt8] {
    var head = HeaderBlock.call(random.pick(EmbeddedServer.paths), &random)
    if random.oneIn(5) {
      head += HeaderBlock.literal("grpc-timeout", Array(random.pick(["1S", "10m", "99999999H", "x", "0n", ""]).utf8))
    }
    return head
  }

  private mutating func responseHead() -> [UInt8] {
    // :status 200 is entry 8 of the static table; 100 is an informational response.
    let status = random.oneIn(4) ? HeaderBlock.literal(":status", Array("100".utf8)) : HeaderBlock.indexed(8)
    return status + HeaderBlock.literal("content-type", Array("application/grpc".utf8), pattern: 0x40)
  }

  private mutating func oddFields() -> [UInt8] {
    switch random.below(9) {
    case 0: HeaderBlock.tableSize(random.below(5000))
    case 1: HeaderBlock.indexed(random.below(140))
    case 2: HeaderBlock.literal("X-Upper", [0x61])
    case 3: HeaderBlock.literal("x", random.bytes(random.length(upTo: 40)), pattern: 0x40)
    case 4: HeaderBlock.literal("x-large", [UInt8](repeating: 0x61, count: random.length(upTo: 20_000)))
    case 5: [0x40] + random.pick(HeaderBlock.huffmanTexts) + random.pick(HeaderBlock.huffmanTexts)
    case 6: HeaderBlock.literal(":path", Array("/twice".utf8))
    case 7: [0x00, 0x81, random.byte(), 0x82, random.byte(), random.byte()]
    default: HeaderBlock.literal(random.pick(["connection", "content-length", "te"]), Array("7".utf8))
    }
  }

  /// A header block, now and then with padding, a priority, or cut over CONTINUATION frames.
  private mutating func headers(_ stream: UInt32, _ block: [UInt8], endStream: Bool) {
    var flags = endStream ? FrameWriter.Flag.endStream : 0
    var payload = block
    var rest: [[UInt8]] = []
    if random.oneIn(6), block.count > 2 {
      let cut = 1 + random.below(block.count - 1)
      payload = Array(block[..<cut])
      rest = [Array(block[cut...])]
      if random.oneIn(3) { rest += [[UInt8]](repeating: [], count: random.length(upTo: 20)) }
    }
    if random.oneIn(8) {
      flags |= FrameWriter.Flag.priority
      payload = FrameWriter.number(!isCalm && random.oneIn(4) ? stream : 0) + [random.byte()] + payload
    }
    if random.oneIn(8) { pad(&payload, &flags) }
    if rest.isEmpty { flags |= FrameWriter.Flag.endHeaders }
    out.frame(FrameWriter.Kind.headers, flags: flags, stream: stream, payload)
    for (index, part) in rest.enumerated() {
      let isLast = index == rest.count - 1 && (isCalm || !random.oneIn(10))
      out.frame(
        FrameWriter.Kind.continuation, flags: isLast ? FrameWriter.Flag.endHeaders : 0,
        stream: !isCalm && random.oneIn(20) ? self.stream() : stream, part)
    }
    if endStream { isOver(stream) }
  }

  private mutating func pad(_ payload: inout [UInt8], _ flags: inout UInt8) {
    flags |= FrameWriter.Flag.padded
    let count = random.length(upTo: 255)
    payload =
      [!isCalm && random.oneIn(10) ? random.byte() : UInt8(count)] + payload + [UInt8](repeating: 0, count: count)
  }

  private mutating func data() {
    if isCalm && opened.isEmpty { open() }
    var flags = random.oneIn(isCalm ? 20 : 8) ? FrameWriter.Flag.endStream : 0
    let id = stream()
    defer { if flags & FrameWriter.Flag.endStream != 0 { isOver(id) } }
    var payload: [UInt8]
    switch random.below(6) {
    case 0: payload = random.bytes(random.length(upTo: 2000))
    case 1: payload = []
    case 2: payload = [UInt8](repeating: 0, count: random.oneIn(20) ? 16_384 : 200)
    default: payload = GRPCGenerator.message(ProtobufGenerator.request(&random), &random)
    }
    if payload.count > 3, random.oneIn(3) {
      // One message over two frames.
      let cut = random.below(payload.count)
      out.frame(FrameWriter.Kind.data, stream: id, Array(payload[..<cut]))
      payload = Array(payload[cut...])
      out.frame(FrameWriter.Kind.data, flags: flags, stream: id, payload)
      return
    }
    if random.oneIn(8) { pad(&payload, &flags) }
    out.frame(FrameWriter.Kind.data, flags: flags, stream: id, payload)
  }

  private mutating func trailers() {
    let block =
      HeaderBlock.literal("grpc-status", Array("\(random.below(20))".utf8))
      + HeaderBlock.literal("grpc-message", Array(random.pick(["", "%41%", "a%C3%28"]).utf8))
    headers(stream(), block, endStream: !random.oneIn(8))
  }

  private mutating func settings() {
    guard !isCalm else {
      // The table's size, the streams' window, the frames' size.
      out.settings(
        [(id: 1, value: 4096), (id: 4, value: UInt32(random.below(200_000))), (id: 5, value: 16_384)].filter { _ in
          random.oneIn(2)
        })
      return
    }
    out.settings(
      (0..<random.length(upTo: 40)).map { _ in
        (id: UInt16(random.below(10)), value: UInt32(truncatingIfNeeded: random.interesting()))
      })
  }

  private mutating func priority() {
    let payload = FrameWriter.number(stream()) + [random.byte()]
    for _ in 0...random.length(upTo: 30) { out.frame(FrameWriter.Kind.priority, stream: stream(), payload) }
  }

  private mutating func goAway() {
    out.frame(
      FrameWriter.Kind.goAway, stream: 0,
      FrameWriter.number(stream()) + FrameWriter.number(UInt32(random.below(16))) + random.bytes(random.below(20)))
  }

  private mutating func pushPromise() {
    out.frame(
      FrameWriter.Kind.pushPromise, flags: FrameWriter.Flag.endHeaders, stream: stream(),
      FrameWriter.number(2 * UInt32(random.below(8))) + HeaderBlock.call("/pushed", &random))
  }

  /// Many of one small frame, up to beyond the limits.
  private mutating func flood() {
    let count = random.oneIn(30) ? 1200 : random.length(upTo: 300)
    let id = stream()
    switch random.below(5) {
    case 0: for _ in 0..<count { out.frame(FrameWriter.Kind.data, stream: id, []) }
    case 1: for _ in 0..<count { out.frame(FrameWriter.Kind.ping, stream: 0, [UInt8](repeating: 7, count: 8)) }
    case 2: for _ in 0..<count { out.settings([]) }
    case 3:
      for _ in 0..<count {
        headers(next, requestHead(), endStream: false)
        out.frame(FrameWriter.Kind.resetStream, stream: next, FrameWriter.number(8))
        next += 2
      }
    default: for _ in 0..<count { out.windowUpdate(id, 1) }
    }
  }

  /// A frame of any kind with any flags, and a length that need not be true.
  private mutating func anything() {
    let payload = random.bytes(random.length(upTo: 100))
    out.frame(
      random.oneIn(2) ? UInt8(random.below(14)) : random.byte(), flags: random.byte(), stream: stream(), payload,
      length: random.oneIn(3) ? Int(truncatingIfNeeded: random.interesting() & 0xff_ffff) : nil)
  }
}
