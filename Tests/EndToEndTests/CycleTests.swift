import EnvoyHarness
import Testing
import WireFuzzing

extension EndToEnd {
  @Suite("Clients that come and go", .serialized, .timeLimit(.minutes(3)))
  struct Cycles {
    /// `make fuzz` does 10,000 of them, and the same in one process under the address sanitizer.
    @Test("3,000 clients, each the only one of its class, leave nothing behind in weir serve")
    func memory() async throws {
      let directory = TemporaryDirectory(prefix: "weir-cycles", inMemory: true)
      defer { directory.remove() }
      let manifests = try ManifestDirectory(in: directory)
      try manifests.write("catalog.yaml", [ServiceManifest("catalog", namespace: "default")])
      let weir = try await WeirProcess.serve(manifests: [manifests.path], in: directory)
      let report = try await ServedCycles(count: 3000, measuredAfter: 1000, seed: 1)
        .run(against: weir.addresses.xds, process: await weir.process.processID)
      await weir.terminate()
      // Half of the ways to leave wait for a response.
      #expect(report.subscribed > 1000)
      #expect(report.kilobytesPerThousand < 200, "\(report)")
    }
  }
}
