import ArgumentParser
import EnvoyHarness
import Foundation

/// Releases at random under load, through real Envoys.
struct SoakCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "soak",
    abstract: "Random release operations under load through real Envoys, by delta and by state of the world.",
    discussion: """
      Releases are started, moved, approved and rolled back; endpoints of both versions come and go; subsets and routes are \
      written and deleted in both orders; the server is killed and started again. Exits 1 if a request failed, was retried or \
      met a cluster that was not there, if an Envoy ever had a route to a cluster that was not warm, or if what an Envoy routes \
      by is not what was said to be live.
      """)

  @Option(help: ArgumentHelp("How many operations.", valueName: "n"))
  var operations = 1000

  @OptionGroup var seed: SeedOptions

  @Flag(help: "Only take endpoints away, without draining: the run has to find that, and fail.")
  var careless = false

  func run() async throws {
    var random = SeededRandom(seed: seed.seed)
    // In delta; without, as few hosts as these come in the route table.
    let oneByOne = Bool.random(using: &random)
    say("soak: --operations \(operations) --seed \(random.seed), virtual hosts \(oneByOne ? "one by one" : "by RDS")")
    let mesh = try await SoakMesh.open(flags: oneByOne ? ["--vhds", "on"] : [])
    do {
      let began = ContinuousClock.now
      var soak = Soak(mesh: mesh, random: random, isCareless: careless)
      let complaints = try await soak.run(operations)
      await mesh.close()
      say("soak: \(operations) operations in \((ContinuousClock.now - began).components.seconds) s:")
      for (what, count) in soak.counts.sorted(by: { $0.key < $1.key }) { say("  \(count) \(what)") }
      guard complaints.isEmpty else {
        throw TrialFailure("--seed \(random.seed): " + complaints.joined(separator: "\n"))
      }
      say("soak: no request failed, and no Envoy ever had a route to a cluster that was not warm")
    } catch {
      if !(error is TrialFailure) { say("weir's log:\n\(await mesh.weir.process.logTail(lines: 60))") }
      await mesh.close()
      throw error is TrialFailure ? error : TrialFailure("--seed \(random.seed): \(error)")
    }
  }
}
