import Dispatch
import Foundation
import Synchronization
import TrafficCompiler

/// Random edits through the gate and the compiler, in an optimised build with the graph's checks on. See `Run`.
///
///     RandomEdits [--edits 100000] [--seed N] [--services N]
///
/// Prints the seed of every world, and the counts of what was done. Exits 1 at the first difference, or if the read of a
/// collection that is not declared goes unseen.
@main
struct RandomEdits {
  /// Of the worlds, one after the other.
  static let sizes = [5, 8, 12, 20, 30, 45, 70, 100, 150, 200]

  static func main() {
    do {
      var (edits, seed, services): (Int, UInt64?, Int?) = (100_000, nil, nil)
      var arguments = CommandLine.arguments.dropFirst()
      while let argument = arguments.popFirst() {
        guard let value = arguments.popFirst().flatMap(UInt64.init) else {
          throw Run.Failure(description: "usage: RandomEdits [--edits N] [--seed N] [--services N]")
        }
        switch argument {
        case "--edits": edits = Int(value)
        case "--seed": seed = value
        case "--services": services = max(5, Int(value))
        default: throw Run.Failure(description: "unknown argument \(argument)")
        }
      }
      try run(edits: edits, firstSeed: seed ?? UInt64.random(in: 1..<1_000_000_000), services: services)
      if services == nil { try withdrawEachDeclaration() }
    } catch {
      FileHandle.standardError.write(Data("random edits: \(error)\n".utf8))
      exit(1)
    }
  }

  /// - Parameter services: one world of that size, to replay it; otherwise a world of each size.
  private static func run(edits: Int, firstSeed: UInt64, services: Int?) throws {
    guard !TrafficCompiler.isDebugBuild else { throw Run.Failure(description: "this is no optimised build") }
    let began = Date()
    let sizes = services.map { [$0] } ?? sizes
    let results = Mutex<[Result<Run, any Error>]>([])
    // The large worlds take longest, so they come first; each has a compiler of its own.
    DispatchQueue.concurrentPerform(iterations: sizes.count) { turn in
      let index = sizes.count - 1 - turn
      var world = Run(
        seed: firstSeed &+ UInt64(index), services: sizes[index], edits: (edits + sizes.count - 1) / sizes.count)
      let result = Result {
        say("random edits: --seed \(world.seed) --services \(world.services) --edits \(world.edits)")
        try world.run()
        say(
          "random edits: --seed \(world.seed): \(world.admitted) edits admitted, \(world.comparisons) comparisons, "
            + "at most \(world.waited) objects waited")
        return world
      }
      results.withLock { $0.append(result) }
    }
    var counts: [EditKind: Int] = [:]
    var comparisons = 0
    for result in results.withLock({ $0 }) {
      let world = try result.get()
      counts.merge(world.counts, uniquingKeysWith: +)
      comparisons += world.comparisons
    }
    for kind in EditKind.allCases {
      say("random edits: \(counts[kind, default: 0]) \(kind.rawValue)")
      guard counts[kind, default: 0] > 0 || edits < 10_000 else {
        throw Run.Failure(description: "none of \(kind.rawValue)")
      }
    }
    let seconds = String(format: "%.1f", -began.timeIntervalSinceNow)
    say("random edits: \(comparisons) comparisons with a build from scratch, all equal, in \(seconds) s")
  }

  /// Takes back one declaration after the other: the checks must see the read that it covered.
  private static func withdrawEachDeclaration() throws {
    let reads = TrafficCompiler(checksReads: true).declaredReads
    for read in reads {
      var world = Run(seed: 1, services: 12, edits: 20_000)
      try world.run(withdrawing: read)
      guard let first = world.violations.first, first.contains(read.reader), first.contains(read.source) else {
        throw Run.Failure(description: "\(read.reader) was not seen to read \(read.source), which it did not declare")
      }
    }
    say("random edits: each of \(reads.count) declarations of a read, taken back, made a checked build stop")
  }

  @Sendable private static func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
}
