/// The random numbers of one input: the same from the same seed, everywhere (SplitMix64, Steele, Lea and Flood 2014).
public struct FuzzRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// 0 ..< bound; the bias of the remainder does not matter here.
  mutating func below(_ bound: Int) -> Int {
    Int(truncatingIfNeeded: next() >> 33) % bound
  }

  mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

  mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 56) }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in byte() }
  }

  mutating func pick<Element>(_ choices: [Element]) -> Element { choices[below(choices.count)] }

  /// Mostly small, now and then up to `limit`: lengths as messages have them.
  mutating func length(upTo limit: Int) -> Int {
    switch below(8) {
    case 0: 0
    case 1: below(limit + 1)
    case 2, 3: below(min(limit, 64) + 1)
    default: below(min(limit, 12) + 1)
    }
  }

  /// Numbers at which length checks and signs go wrong.
  mutating func interesting() -> UInt64 {
    switch below(4) {
    case 0: next()
    case 1: UInt64(below(300))
    case 2: (1 << UInt64(below(64))) &- UInt64(below(3)) &+ 1
    default: pick([0, 1, 0x7f, 0x80, 0xff, 0x3fff, 0x4000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, .max])
    }
  }
}
