internal import Foundation

/// Random numbers that a seed repeats (SplitMix64, https://prng.di.unimi.it/splitmix64.c).
public struct SeededRandom: RandomNumberGenerator, Sendable {
  public let seed: UInt64
  private var state: UInt64

  /// - Parameter seed: nil for that of the environment (`WEIR_SEED`), else one of the system's.
  public init(seed: UInt64? = nil) {
    self.seed =
      seed ?? ProcessInfo.processInfo.environment["WEIR_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    state = self.seed
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
