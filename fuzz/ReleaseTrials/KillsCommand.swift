import ArgumentParser
import EnvoyHarness
import Foundation

/// `weir serve` is killed at random instants while releases of several services are started and moved.
struct KillsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kills",
    abstract:
      "Kill weir serve while releases are moved, and hold what is there afterwards against what was acknowledged.")

  @Option(help: ArgumentHelp("How often it is killed.", valueName: "n"))
  var kills = 25

  @OptionGroup var seed: SeedOptions

  @Flag(help: "One line of JSON at the end, and nothing else.")
  var json = false

  @Flag(help: "Put the state of before back at the last kill: the trial has to find that, and fail.")
  var lose = false

  func run() async throws {
    let random = SeededRandom(seed: seed.seed)
    if !json { say("release kills: --seed \(random.seed)") }
    var trial = try await KillTrial.open(random)
    do {
      let began = ContinuousClock.now
      for kill in 1...max(1, kills) { try await trial.kill(kill, losing: lose && kill == kills) }
      try await trial.checkWholeLedger()
      await trial.close()
      let counts = trial.counts
      say(
        json
          ? #"{"kills": \#(counts.kills), "acknowledged": \#(counts.acknowledged), "unheard": \#(counts.unheard)}"#
          : "release kills: \(trial.summary), in \((ContinuousClock.now - began).components.seconds) s")
      // A trial in which nothing was at stake proves nothing.
      guard trial.counts.acknowledged > kills, trial.counts.unheard > 0 else {
        throw TrialFailure("too little was done: \(trial.summary)")
      }
    } catch {
      if !json { say("weir's log:\n\(await trial.weir.process.logTail(lines: 40))") }
      await trial.close()
      throw TrialFailure("--seed \(random.seed): \(error)")
    }
  }
}
