/// Makes bodies of gRPC calls: length-prefixed messages, with prefixes that lie now and then.
enum GRPCGenerator {
  /// One byte says how the input is run, one how it is cut, one which limit holds; the rest is the body.
  static func input(_ random: inout FuzzRandom) -> [UInt8] {
    var body: [UInt8] = []
    for _ in 0..<random.length(upTo: 30) {
      // The first byte tells the echo handler what to do.
      let content = random.bytes(random.length(upTo: random.oneIn(50) ? 5000 : 200))
      body += message(content, &random)
    }
    if random.oneIn(4) { body.mutate(count: 1 + random.below(3), &random) }
    return [random.byte(), random.byte(), random.byte()] + body
  }

  static func message(_ content: [UInt8], _ random: inout FuzzRandom) -> [UInt8] {
    var flag: UInt8 = 0
    var length = UInt32(content.count)
    switch random.below(40) {
    case 0: flag = random.byte()
    case 1: flag = 1
    case 2: length = UInt32(truncatingIfNeeded: random.interesting())
    case 3: length = length &+ UInt32(random.below(5)) &- 2
    default: break
    }
    return [flag] + FrameWriter.number(length) + content
  }
}
