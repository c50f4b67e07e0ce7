import ArgumentParser
import WireFuzzing

/// Connect, subscribe, disconnect; what stays of it.
struct CyclesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cycles", abstract: "Clients that come and go. Exits 1 if they leave anything behind.")

  @Option(help: "How many.") var count = 10_000
  @Option(help: "From where on memory must not grow.") var measuredAfter = 1000
  @Option var seed: UInt64 = 1
  @Option(help: "What memory may grow by all the same, in percent: the allocator's own.") var margin = 10.0

  func run() async throws {
    let report = try await ConnectionCycles(count: count, measuredAfter: measuredAfter, seed: seed).run()
    let growth = 100 * (Double(report.bytesAfter) / Double(report.bytesBefore) - 1)
    let leaks = LeakCheck.isAvailable ? (LeakCheck.findsLeaks() ? "leaks" : "0 leaks") : "no leak sanitizer"
    let rounded = (growth * 10).rounded() / 10
    print("cycles: \(report) (\(rounded) % after the first \(measuredAfter)), \(leaks)")
    if report.open > 0 || leaks == "leaks" || growth > margin { throw ExitCode(1) }
  }
}
