import Foundation
import Testing

@testable import ReleaseStores

@Suite struct LedgerEncodingTests {
  /// Written by hand from the description: a ledger of before must verify for ever.
  @Test func bytesAreAsDescribed() {
    let statement = LedgerStatement(
      release: "r", host: "h.x", actor: "é", action: "set", fromWeight: 500, generation: 7,
      at: Timestamp(millisecondsSince1970: -1), refersTo: 2, outcome: "ok", attributes: ["b": "", "a": "1"])
    func number(_ value: UInt8) -> [UInt8] { [0, 0, 0, 0, 0, 0, 0, value] }
    func text(_ text: String) -> [UInt8] { number(UInt8(text.utf8.count)) + text.utf8 }
    var expected = text("weir.release.ledger/1") + [UInt8](repeating: 0, count: 32) + number(3)
    expected += text("r") + text("h.x") + text("é") + text("set") + text("")
    expected += [1, 0, 0, 0, 0, 0, 0, 1, 0xF4] + [0] + [1] + number(7)
    expected += [UInt8](repeating: 0xFF, count: 8) + [0] + [1] + number(2)
    expected += text("ok") + number(2) + text("a") + text("1") + text("b") + text("")
    #expect(LedgerEncoding.bytes(statement, sequence: 3, previousHash: .none) == expected)
  }

  @Test func theHashOfAFixedEntryStays() {
    #expect(LedgerSamples.ledger(3)[2].hash.description == Self.fixed)
  }
  private static let fixed = "3b0deaa4e349e74fccf0f0ea63e7748b4001e2c471943856eab5cfd1c76e183d"

  @Test func hashesAreReadAsTheyAreWritten() {
    let hash = LedgerSamples.ledger(1)[0].hash
    #expect(LedgerHash(hash.description) == hash)
    #expect(LedgerMark("1:\(hash)") == LedgerMark(sequence: 1, hash: hash))
    let text = hash.description
    for wrong in ["", String(text.dropLast()), text + "0", text.uppercased(), "g" + text.dropFirst()] {
      #expect(LedgerHash(wrong) == nil)
    }
    #expect(LedgerMark("x:\(hash)") == nil)
    #expect(LedgerHash([1, 2]) == nil)
  }

  /// Another program, which shares no code with this one, makes the same hashes of the JSON lines.
  @Test func thePythonProgramVerifiesTheJSONLines() throws {
    var statements = (1...5).map(LedgerSamples.statement)
    statements.append(
      LedgerStatement(
        release: "ü\u{308}", host: "", actor: "\"\\/\n", action: "x", reason: "重み 🚀", toWeight: 10_000,
        at: Timestamp(millisecondsSince1970: 253_402_300_799_999),
        attributes: ["é": "1", "z": "2", "": "\u{1F}", "\u{FFFF}": "", "🚀": ""]))
    var entries = LedgerEntry.chain(statements, after: .start)
    entries.append(
      LedgerEntry(
        .liveEverywhere(entries[0], actor: "weir", at: Timestamp(millisecondsSince1970: 5)), after: entries[5].mark))
    let lines = entries.flatMap(LedgerJSON.line)
    #expect(try run("python3", Self.program, input: lines) == "7 entries, the last is \(entries[6].mark)\n")
    var forged = entries
    forged[2].statement.reason = "forged"
    #expect(
      try run(
        "python3", "-c",
        "import subprocess, sys; r = subprocess.run(['python3', sys.argv[1]], stdin=sys.stdin, capture_output=True, text=True); print(r.returncode, r.stdout, end='')",
        Self.program, input: forged.flatMap(LedgerJSON.line))
        == "1 entry 3 was changed\n")
  }
  private static let program = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "../../../examples/releases/verify_ledger.py"
  ).path
}

@Suite struct LedgerJSONTests {
  @Test func linesAreReadAsTheyAreWritten() throws {
    let entries = LedgerSamples.ledger(5)
    let text = entries.flatMap(LedgerJSON.line)
    #expect(try LedgerJSON.entries(of: text) == entries)
    #expect(try LedgerJSON.entries(of: Array("\n".utf8) + text + Array(" \r\n".utf8)) == entries)
    #expect(text.count(where: { $0 == UInt8(ascii: "\n") }) == 5)
    let first = String(decoding: LedgerJSON.line(entries[0]), as: UTF8.self)
    #expect(first.hasPrefix(#"{"action":"set-weight","actor":"alice","at":"2026-11-28T10:05:00.001Z","attributes":{"#))
    #expect(first.contains(#""from_basis_points":5,"generation":101,"hash":""#))
  }

  @Test func aLineThatIsNoneIsNamed() throws {
    let text = LedgerSamples.ledger(2).flatMap(LedgerJSON.line)
    for wrong in [
      "{}", "[1", #"{"sequence":-1}"#,
      String(decoding: text, as: UTF8.self).split(separator: "\n")[0].replacingOccurrences(
        of: "2026-11", with: "2026-99"),
    ] {
      let error = #expect(throws: LedgerJSON.LineError.self) { try LedgerJSON.entries(of: text + Array(wrong.utf8)) }
      #expect(error?.line == 3)
      #expect(error?.description.hasPrefix("line 3 is no entry of a ledger") == true)
    }
  }
}

@Suite struct LedgerTableTests {
  @Test func aLineForEachActionWithWhenItWasLive() {
    var statements = [LedgerSamples.statement(1), LedgerSamples.statement(2)]
    statements[0].fromWeight = 0
    statements[0].toWeight = 2_005
    statements[1].fromWeight = nil
    statements[1].reason = ""
    statements[1].generation = nil
    var entries = LedgerEntry.chain(statements, after: .start)
    let live = LedgerStatement.liveEverywhere(entries[0], actor: "weir", at: statements[0].at + .milliseconds(43))
    entries.append(LedgerEntry(live, after: entries[1].mark))
    let table = LedgerTable(entries)
    #expect(table.rows.count == 2)
    #expect(table.rows.allSatisfy { $0.count == LedgerTable.header.count })
    #expect(
      table.rows[0] == [
        "1", "2026-11-28T10:05:00.001Z", "reviews.shop", "alice", "set-weight", "0% → 20.05%", "101", "43 ms",
        "accepted",
        "step 1",
      ])
    #expect(table.rows[1][5...] == ["→ 0.15%", "-", "-", "accepted", "-"])
    #expect(LedgerTable(Array(entries.dropFirst())).rows.count == 2, "what it refers to is not there")
  }
}
