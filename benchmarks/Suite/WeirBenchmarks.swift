import ArgumentParser
import EnvoyHarness
import Foundation

/// The whole suite: measures, judges, and writes a table, plots and the raw figures.
@main
struct WeirBenchmarks: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure Weir, and hold the figures against their bars.")

  @Flag(help: "Every bar with fewer repeats.")
  var quick = false

  @Option(help: ArgumentHelp("Only this measurement; may be repeated.", valueName: "name"))
  var only: [String] = []

  @Flag(help: "Print the names of the measurements.")
  var list = false

  @Option(help: ArgumentHelp("Where the results go.", valueName: "dir"))
  var out = "benchmarks/results"

  func run() async throws {
    var measurements: [any Measurement] = []
    for variant in [XDSProtocol.delta, .stateOfTheWorld] {
      for (services, proxies) in [(1000, 1), (1000, 100), (1000, 1000), (5000, 100), (5000, 1000)] {
        measurements.append(FanOut(services: services, proxies: proxies, protocol: variant))
      }
    }
    for measurement in measurements where only.isEmpty || only.contains(measurement.name) {
      Progress.say(measurement.name)
      let directory = TemporaryDirectory(prefix: "weir-bench")
      defer { directory.remove() }
      let figures = try await measurement.measure(quick ? .quick : .full, in: directory)
      var all = Figures()
      all.add(figures, of: measurement.name)
      print(all.lines(of: measurement.name))
    }
  }
}
