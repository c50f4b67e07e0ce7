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
}
