import ArgumentParser
import EnvoyHarness
import Foundation

/// The whole suite: measures, judges, and writes a table, plots and the raw figures.
@main
struct WeirBenchmarks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure Weir, and hold the figures against their bars.",
    discussion: """
      Progress goes to stderr, the table to stdout, and RESULTS.md, plots and raw figures into a directory. With --only the \
      other measurements' figures in that directory stay. Exits 1 if a bar is missed or a measurement failed; with --only \
      those that it did not measure do not count.
      """)

  @Flag(help: "Every bar with fewer repeats.")
  var quick = false

  @Option(help: ArgumentHelp("Only this measurement; may be repeated.", valueName: "name"))
  var only: [String] = []

  @Flag(help: "Print the names of the measurements.")
  var list = false

  @Option(help: ArgumentHelp("Where the results go.", valueName: "dir"))
  var out = "benchmarks/results"

  /// Small ones first: whoever looks on sees something soon.
  static let all: [any Measurement] =
    [Limit(), EndToEnd(), Nginx(), Compile()]
    + FanOut.all + [StalledReader(), HostByHost(), EndpointByEndpoint()] + Rollback.all + [ReleaseKills()]

  /// What `--quick` leaves out: cells of the grid without a bar.
  static let enough: Set = [
    "limit", "end-to-end", "compile", "fanout-delta-1000x1000", "fanout-delta-5000x100", "fanout-delta-5000x1000",
    "fanout-sotw-1000x100", "stalled-reader", "nginx", "vhds", "leds", "release-kills",
    "rollback-vhds-1000", "rollback-rds-100", "rollback-rds-1000",
  ]

  func validate() throws {
    let names = Self.all.map(\.name)
    for name in only where !names.contains(name) {
      throw ValidationError("--only \(name): there is no such measurement; see --list")
    }
  }

  func run() async throws {
    if list { return print(Self.all.map(\.name).joined(separator: "\n")) }
    let measurements = Self.all.filter {
      only.isEmpty ? !quick || Self.enough.contains($0.name) : only.contains($0.name)
    }
    var results = try Results(out, quick ? .quick : .full)
    if only.isEmpty { try results.clear() } else { try results.load() }
    let began = ContinuousClock.now
    for (index, measurement) in measurements.enumerated() {
      let start = ContinuousClock.now
      Progress.say("bench: \(measurement.name) (\(index + 1) of \(measurements.count))")
      let directory = TemporaryDirectory(prefix: "weir-bench")
      do {
        try results.add(try await measurement.measure(quick ? .quick : .full, in: directory), of: measurement.name)
      } catch {
        // The rest goes on; the rows that miss it say why.
        Progress.say("bench: \(measurement.name) failed: \(error)")
        try results.fail(measurement.name, "\(error)")
      }
      directory.remove()
      Progress.say("bench: \(measurement.name) took \(Text.number((ContinuousClock.now - start) / .seconds(1))) s")
    }
    let total = (ContinuousClock.now - began) / .seconds(1)
    let rows = try results.write(seconds: only.isEmpty ? total : nil).rows.filter { row in
      only.isEmpty || row.bar.measurements.contains { only.contains($0) }
    }
    for row in rows { print(row.markdown) }
    Progress.say("bench: \(Text.number(total)) s; \(out)/RESULTS.md holds the table")
    let isMissed = rows.contains { !$0.isMet && (only.isEmpty || Set($0.bar.measurements).isSubset(of: only)) }
    if isMissed || !results.failures.isEmpty { throw ExitCode(1) }
  }
}
