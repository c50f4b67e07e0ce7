/// Inputs made from consecutive seeds, one after another.
public struct FuzzRun {
  public let target: FuzzTarget
  public let seeds: Range<UInt64>
  /// Told the seed of each input before it is run, so that it is known even if the process dies of it.
  public var willRun: (UInt64) -> Void = { _ in }
  /// What each input may take.
  public var budget = InputBudget.standard
  /// After so many inputs, and at the end, the process is searched for leaks, where a leak sanitizer is part of it.
  public var leakCheckInterval: UInt64 = 50_000

  public init(_ target: FuzzTarget, seed: UInt64, count: Int) {
    self.target = target
    seeds = seed..<seed &+ UInt64(count)
  }

  /// What went wrong, and how to see it again.
  public struct Found: Error, CustomStringConvertible {
    public let target: String
    public let seed: UInt64
    public let input: [UInt8]
    public let failure: String

    public var description: String {
      "\(target), seed \(seed), \(input.count) bytes: \(failure)\nagain: WeirFuzz run --targets \(target) --seed \(seed) --inputs 1"
    }
  }

  /// - Throws: `Found`, at the first input that shows a failure.
  public func run() throws {
    for seed in seeds {
      willRun(seed)
      let input = Self.input(of: target, seed: seed)
      do {
        try budget.spend(on: input, target.run)
      } catch {
        throw Found(target: target.name, seed: seed, input: input, failure: "\(error)")
      }
      if (seed - seeds.lowerBound + 1).isMultiple(of: leakCheckInterval) { try checkLeaks(upTo: seed) }
    }
    if let last = seeds.last { try checkLeaks(upTo: last) }
  }

  private func checkLeaks(upTo seed: UInt64) throws {
    guard LeakCheck.findsLeaks() else { return }
    throw Found(
      target: target.name, seed: seed, input: [],
      failure: "memory leaked by one of the last \(leakCheckInterval) inputs; the leak sanitizer's report is above")
  }

  public static func input(of target: FuzzTarget, seed: UInt64) -> [UInt8] {
    var random = FuzzRandom(seed: seed)
    return target.generate(&random)
  }
}
