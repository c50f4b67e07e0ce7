import EnvoyHarness
import Foundation
import Testing

/// Releases of a real `weir serve`, killed at random instants: `ReleaseTrials kills`, here with 25 kills; `make bench` has 500.
/// `WEIR_SEED` repeats a run's choices, `WEIR_RELEASE_SERVER_KILLS` changes the number.
@Suite("Release trials", .serialized, .timeLimit(.minutes(5))) struct ReleaseTrialTests {
  @Test("after each kill, ledger, releases and served weights agree with what was acknowledged") func kills()
    async throws
  {
    let environment = ProcessInfo.processInfo.environment
    // It ends with an exit code other than 0, and so throws here, at the first disagreement.
    let output = try await ChildProcess.output(
      of: ProgramFile.ownDirectory + "/ReleaseTrials",
      ["kills", "--kills", environment["WEIR_RELEASE_SERVER_KILLS"] ?? "25"]
        + (environment["WEIR_SEED"].map { ["--seed", $0] } ?? []))
    print(output)
    #expect(output.contains("operations acknowledged and there"))
  }

  /// The check itself is of no use if it finds nothing.
  @Test("a store that goes back to what it was is found") func lost() async throws {
    let error = await #expect(throws: HarnessError.self) {
      _ = try await ChildProcess.output(
        of: ProgramFile.ownDirectory + "/ReleaseTrials", ["kills", "--kills", "3", "--lose"])
    }
    #expect("\(error as Any)".contains("after kill 3"))
  }
}
