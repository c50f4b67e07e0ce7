import ArgumentParser
import EnvoyHarness
import WireFuzzing

/// The same against `weir serve`: with its classes of proxies, its pipeline and its own memory.
struct ServedCyclesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "served-cycles",
    abstract: "Clients of weir serve that come and go. Exits 1 if its memory grows by more than allowed.")

  @Option(help: "How many.") var count = 10_000
  @Option(help: "From where on memory must not grow.") var measuredAfter = 1000
  @Option var seed: UInt64 = 1
  @Option(help: "kB that memory may grow by for each thousand cycles: the allocator's own.") var most = 100.0

  func run() async throws {
    let directory = TemporaryDirectory(prefix: "weir-cycles", inMemory: true)
    defer { directory.remove() }
    let manifests = try ManifestDirectory(in: directory)
    try manifests.write("catalog.yaml", [ServiceManifest("catalog", namespace: "default")])
    let weir = try await WeirProcess.serve(manifests: [manifests.path], in: directory)
    let report: ServedCycles.Report
    do {
      report = try await ServedCycles(count: count, measuredAfter: measuredAfter, seed: seed)
        .run(against: weir.addresses.xds, process: weir.process.processID)
    } catch {
      await weir.kill()
      throw error
    }
    await weir.terminate()
    print("served-cycles: \(count) cycles, \(report) (at most \(most))")
    if report.kilobytesPerThousand > most { throw ExitCode(1) }
  }
}
