import EnvoyHarness
import Foundation
import Testing

extension EndToEnd {
  /// `make soak`, short. `WEIR_SEED` repeats a run's choices.
  @Suite("Soak", .serialized, .timeLimit(.minutes(5)))
  struct Soak {
    @Test(
      "40 release operations at random, with churn and kills, cost no request and leave no route without a warm cluster"
    )
    func soak() async throws {
      let seed = ProcessInfo.processInfo.environment["WEIR_SEED"].map { ["--seed", $0] } ?? []
      // It ends with an exit code other than 0, and so throws here, if anything is not as it should be.
      let output = try await ChildProcess.output(
        of: ProgramFile.ownDirectory + "/ReleaseTrials", ["soak", "--operations", "40"] + seed)
      print(output)
      #expect(output.contains("no request failed"))
    }

    /// The check itself is of no use if it finds nothing.
    @Test("endpoints that are taken away without draining are found")
    func careless() async throws {
      let error = await #expect(throws: HarnessError.self) {
        _ = try await ChildProcess.output(
          of: ProgramFile.ownDirectory + "/ReleaseTrials", ["soak", "--operations", "2", "--careless"])
      }
      #expect("\(error as Any)".contains("requests failed:"))
    }
  }
}
