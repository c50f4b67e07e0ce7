import Foundation
import ReleaseControl
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

/// The ledger as it is shown, and what shows that it is as it was written.
@Suite(.timeLimit(.minutes(1))) struct ReleaseLedgerTests {
  private static let program = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "../../examples/releases/verify_ledger.py"
  ).path

  /// What `weir release history --json` prints, and so what another program can verify without Weir.
  @Test func anotherProgramVerifiesWhatIsPrinted() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .reviewsCanary([0.05, 29, 100]), ReleaseRequest(actor: "\"\\/é", reason: "重み 🚀\n"))
    try await bench.status(release) { $0.liveAt != nil }
    for weight in [0.07, 0.57, 1.13, 33.33, 99.99] { try await release.setWeight(Weight(percent: weight) ?? .none) }
    try await release.rollback()
    try await bench.status(release) { $0.liveAt != nil }
    let lines = try await bench.releases.ledger().map { String(decoding: try ReleaseJSON.encode($0), as: UTF8.self) }
    let mark = try #require(try await bench.releases.verify().mark)
    let text = lines.map { $0 + "\n" }.joined()
    #expect(try python(Self.program, input: text) == ("\(lines.count) entries, the last is \(mark)\n", 0))
    #expect(try python(Self.program, mark, input: text).code == 0)
    let cut = lines.dropLast().map { $0 + "\n" }.joined()
    #expect(
      try python(Self.program, mark, input: cut)
        == ("entry \(lines.count) was noted elsewhere, and is not there\n", 1))
    let forged = text.replacingOccurrences(of: "33.33", with: "33.34")
    #expect(try python(Self.program, input: forged).output.hasSuffix("was changed\n"))
    await bench.stop()
  }

  /// Cut at its end together with its head, a ledger looks like a good one to all who have noted nothing.
  @Test func aLedgerThatWasCutShortIsFoundAgainstAMark() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var store = try SQLiteReleaseStore(directory: directory)
    var bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    try await release.rollback()
    try await bench.status(release) { $0.liveAt != nil }
    let verdict = try await bench.releases.verify()
    let mark = try #require(verdict.mark)
    #expect(mark.hasPrefix("\(verdict.entries):") && verdict.entries >= 3)
    await bench.stop()
    await store.close()
    let cut = """
      DELETE FROM ledger WHERE sequence > 1;
      UPDATE store SET entries = 1, hash = (SELECT hash FROM ledger WHERE sequence = 1);
      """
    try editReleases(in: directory, cut)
    store = try SQLiteReleaseStore(directory: directory)
    bench = try await ReleaseBench(store: store)
    #expect(try await bench.releases.verify().finding == nil)
    let found = try await bench.releases.verify(against: mark)
    #expect(found.finding?.contains("from the end: entry \(verdict.entries) was noted elsewhere") == true)
    #expect(found.mark == nil)
    #expect(try await refusal { _ = try await bench.releases.verify(against: "1:x") }.code == .invalid)
    await bench.stop()
    await store.close()
  }
}

/// - Returns: what a Python program printed, and its exit code.
func python(_ arguments: String..., input: String = "") throws -> (output: String, code: Int32) {
  let process = Process()
  let (standardInput, output) = (Pipe(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["python3"] + arguments
  process.standardInput = standardInput
  process.standardOutput = output
  try process.run()
  // Small enough for the pipe.
  try standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
  try standardInput.fileHandleForWriting.close()
  let text = try output.fileHandleForReading.readToEnd().map { String(decoding: $0, as: UTF8.self) } ?? ""
  process.waitUntilExit()
  return (text, process.terminationStatus)
}

/// Runs statements on the file of a release store that is closed, as somebody with a shell could.
func editReleases(in directory: String, _ statements: String) throws {
  let program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])"
  #expect(try python("-c", program, directory + "/releases.sqlite", statements).code == 0)
}
