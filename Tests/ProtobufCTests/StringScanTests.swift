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
