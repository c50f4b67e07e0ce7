import ArgumentParser
import Foundation
import WireFuzzing

/// Replays what is kept, then runs new inputs, each target in a process of its own.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Replays the kept inputs, then runs new ones. Exits 1 at the first failure.")

  @Option(help: "How many inputs, over all targets.") var inputs = 1_000_000
  @Option(help: "The first input's seed; the others follow it. Default: random.") var seed: UInt64?
  @Option(help: "The targets, separated by commas.") var targets = FuzzTarget.all.map(\.name).joined(separator: ",")
  @Option(help: "Where kept inputs are, and failing ones are written.") var folder = "fuzz"
  @Option(help: "How many processes at a time.") var jobs = max(1, ProcessInfo.processInfo.activeProcessorCount)
  @Option(help: "How long one input may take, in seconds.") var patience = 60.0

  func run() throws {
    let chosen = try targets.split(separator: ",").map { name in
      guard let target = FuzzTarget.named(String(name)) else { throw ValidationError("there is no target \(name)") }
      return target
    }
    let kept = KeptInputs.files(in: folder + "/corpus") + KeptInputs.files(in: folder + "/failures")
    let seed = seed ?? UInt64.random(in: 1...UInt64(UInt32.max))
    print("fuzz: seed \(seed), \(kept.count) kept inputs, sanitizer for leaks: \(LeakCheck.isAvailable ? "yes" : "no")")
    // Now, also where the output is a file: the rest takes minutes.
    fflush(nil)
    if !kept.isEmpty { try check(Worker(["replay"] + kept, title: "replay", patience: patience).wait()) }
    let began = Date()
    let total = chosen.reduce(0) { $0 + $1.share }
    var workers = chosen.flatMap { target in
      let count = (inputs * target.share + total - 1) / total
      // Parts, so that all processes have work until the end.
      let part = max(1, (count + 3) / 4)
      return stride(from: 0, to: count, by: part).map { start in
        (target: target, seed: seed &+ UInt64(start), count: min(part, count - start))
      }
    }
    var counts: [String: Int] = [:]
    var running: [(worker: Worker, part: (target: FuzzTarget, seed: UInt64, count: Int))] = []
    while !workers.isEmpty || !running.isEmpty {
      while running.count < jobs, !workers.isEmpty {
        let part = workers.removeFirst()
        let arguments = ["work", "--target", part.target.name, "--seed", "\(part.seed)", "--count", "\(part.count)"]
        running.append((try Worker(arguments, title: part.target.name, patience: patience), part))
      }
      Thread.sleep(forTimeInterval: 0.2)
      for (index, entry) in running.enumerated().reversed() {
        guard let end = entry.worker.poll() else { continue }
        running.remove(at: index)
        guard case .finished = end else {
          running.forEach { $0.worker.stop() }
          try report(end, entry.worker, entry.part.target)
          throw ExitCode(1)
        }
        counts[entry.part.target.name, default: 0] += entry.part.count
        print("fuzz: \(entry.part.target.name), \(entry.part.count) inputs from seed \(entry.part.seed): nothing found")
        fflush(nil)
      }
    }
    let list = chosen.map { "\($0.name) \(counts[$0.name] ?? 0)" }.joined(separator: ", ")
    let seconds = Int(Date().timeIntervalSince(began))
    let leaks = LeakCheck.isAvailable ? "0 leaks" : "leaks not looked for (no sanitizer)"
    print("fuzz: \(list) inputs in \(seconds) s: 0 crashes, \(leaks), 0 stuck streams, 0 broken rules")
  }

  private func check(_ end: Worker.End) throws {
    guard case .finished = end else {
      print("fuzz: a kept input fails (\(end)); WeirFuzz replay FILE... says which")
      throw ExitCode(1)
    }
  }

  private func report(_ end: Worker.End, _ worker: Worker, _ target: FuzzTarget) throws {
    let seed = worker.currentSeed
    let file = "\(folder)/failures/\(target.name)-\(seed).bin"
    try KeptInputs.keep(FuzzRun.input(of: target, seed: seed), as: file)
    print("fuzz: \(target.name) failed (\(end)) at seed \(seed)")
    print("fuzz: the input is kept: \(file)")
    print("fuzz: again: WeirFuzz replay \(file)")
  }
}
