import Foundation
import Testing

@testable import ProtobufC

@Suite struct StringScanTests {
  private func scan(_ bytes: [UInt8]) -> StringScan { bytes.withUnsafeBytes { StringScan.scan($0) } }

  /// Swift's own decoder is the judge.
  @Test(arguments: [21, 22] as [UInt64])
  func agreesWithSwift(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    // Bytes at the borders of the table in RFC 3629.
    let borders: [UInt8] = [
      0x01, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0,
      0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
    ]
    for round in 0..<100_000 {
      let bytes = (0..<Int.random(in: 1...5, using: &generator)).map { _ in borders.randomElement(using: &generator)! }
      let valid = String(validating: bytes, as: UTF8.self) != nil
      #expect((scan(bytes) == .text) == valid, "seed \(seed), round \(round): \(bytes)")
    }
  }

  private func scan(_ text: String) -> StringScan { scan(Array(text.utf8)) }

  @Test func takesThirtyMarksInARowAndNoMore() {
    for marks in ["\u{301}", "\u{323}", "\u{5B0}", "\u{3099}", "\u{1D165}"] {
      let length = marks.utf8.count
      #expect(scan("e" + String(repeating: marks, count: 30)) == .text)
      #expect(scan("e" + String(repeating: marks, count: 31)) == .tooManyMarks(at: 1 + 30 * length))
      // A row begins anew with any other character.
      let row = String(repeating: marks, count: 30)
      for other in ["e", "東", "\u{E9}", "eight bytes of ASCII"] { #expect(scan(row + other + row) == .text) }
      #expect(scan(row + "\u{323}" + row) == .tooManyMarks(at: 30 * length))
    }
    // Each of these is two marks.
    for double in ["\u{344}", "\u{F73}", "\u{F75}", "\u{F81}"] {
      #expect(scan(String(repeating: double, count: 15)) == .text)
      #expect(scan(String(repeating: double, count: 16)) == .tooManyMarks(at: 15 * double.utf8.count))
    }
  }

  /// No text that is let through is written out, in Unicode's canonical decomposition, with long runs of marks: whatever Unicode
  /// has one character for.
  @Test func noCharacterHidesMarks() {
    for value in UInt32(0xA0)..<0x3_0000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(String.UnicodeScalarView(repeatElement(scalar, count: 40)))
      guard scan(text) == .text else { continue }
      var (run, longest) = (0, 0)
      for part in text.decomposedStringWithCanonicalMapping.unicodeScalars {
        run = part.properties.canonicalCombiningClass == .notReordered ? 0 : run + 1
        longest = max(longest, run)
      }
      #expect(longest <= 30, "U+\(String(value, radix: 16)): \(longest)")
    }
  }

  @Test func saysWhere() {
    #expect(scan([]) == .text)
    for count in 0..<40 {
      let text = [UInt8](repeating: 0x61, count: count)
      #expect(scan(text) == .text)
      #expect(scan(text + [0, 0x61]) == .zeroByte(at: count))
      #expect(scan(text + [0xFF, 0x61]) == .notUTF8(at: count))
      #expect(scan(text + Array("é".utf8) + text + [0xE2, 0x82]) == .notUTF8(at: 2 * count + 2))
    }
  }
}
