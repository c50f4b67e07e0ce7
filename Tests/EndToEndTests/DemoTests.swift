import EnvoyHarness
import Testing

extension EndToEnd {
  /// `make demo`, short.
  @Suite("The demo", .serialized, .timeLimit(.minutes(3)))
  struct Demo {
    @Test(
      "three Envoys, a canary, a rollback, a blue-green switch and back: no request fails, every share is in its bound")
    func quick() async throws {
      // It ends with an exit code other than 0, and so throws here, if a request failed or a share is out of its bound.
      let output = try await ChildProcess.output(of: ProgramFile.ownDirectory + "/ReleaseDemo", ["--quick"])
      for step in [
        "canary 0 %", "canary 5 %", "canary 25 %", "canary 50 %", "canary 100 %", "rollback", "switch", "back",
      ] {
        #expect(output.contains("  \(step): live everywhere after"), "\(output)")
      }
      #expect(output.contains("all went well"), "\(output)")
      print(output)
    }
  }
}
