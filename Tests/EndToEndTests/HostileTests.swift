import EnvoyHarness
import Testing

extension EndToEnd {
  /// The benchmark in benchmarks/Hostile, short, and without a word about time: what must hold on any machine.
  @Suite("Hostile clients", .serialized, .timeLimit(.minutes(3)))
  struct Hostile {
    @Test("With 400 hostile connections of every kind a bystander gets every update, and all is let go of afterwards")
    func bystander() async throws {
      // It ends with an exit code other than 0, and so throws here, if an update is lost or comes out of order, the server
      // dies, connections stay open, a kind that breaks HTTP/2 is not thrown out, or the log is flooded.
      let output = try await ChildProcess.output(
        of: ProgramFile.ownDirectory + "/HostileBenchmark",
        ["--connections", "400", "--pairs", "1", "--window", "6", "--rate", "20", "--no-times"])
      #expect(output.contains("| updates lost or out of order, of 240 | 0 | 0 | met |"), "\(output)")
      #expect(output.contains("| connections that stay open | 0 | 0 | met |"), "\(output)")
      #expect(output.contains("| kinds that break HTTP/2 and were never thrown out | none | none | met |"), "\(output)")
      #expect(!output.contains("missed"), "\(output)")
    }
  }
}
