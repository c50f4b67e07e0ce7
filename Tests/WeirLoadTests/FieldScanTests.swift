import EnvoyAPI
import NIOCore
import Testing

@testable import WeirLoad

struct FieldScanTests {
  private func fields(_ bytes: [UInt8]) throws -> [UInt64: [String]] {
    var found: [UInt64: [String]] = [:]
    try bytes.withUnsafeBytes { message in
      try FieldScan.forEach(in: message) { found[$0, default: []].append(String(utf8: $1)) }
    }
    return found
  }

  @Test("Strings are told, numbers of every wire type are passed over")
  func passesOverNumbers() throws {
    // 1: varint 300; 2: "ab"; 3: fixed64; 4: "c"; 5: fixed32; 2: "d".
    let bytes: [UInt8] =
      [0x08, 0xac, 0x02, 0x12, 2, 0x61, 0x62, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x22, 1, 0x63, 0x2d, 1, 2, 3, 4]
      + [0x12, 1, 0x64]
    #expect(try fields(bytes) == [2: ["ab", "d"], 4: ["c"]])
  }

  @Test(
    "What ends in the middle of something is malformed",
    arguments: [[0x12], [0x12, 2, 0x61], [0x12, 0xff], [0x19, 1, 2], [0x0b], [UInt8](repeating: 0xff, count: 11)]
      as [[UInt8]])
  func malformed(_ bytes: [UInt8]) {
    #expect(throws: FieldScan.Malformed.self) { try fields(bytes) }
  }

  @Test("A path goes through repeated fields")
  func path() throws {
    // { 3: { 2: "x" }, 3: { 2: "y", 1: "no" } }
    let bytes: [UInt8] = [0x1a, 3, 0x12, 1, 0x78, 0x1a, 7, 0x12, 1, 0x79, 0x0a, 2, 0x6e, 0x6f]
    var found: [String] = []
    try bytes.withUnsafeBytes { message in
      try FieldScan.forEach(at: [3, 2], in: message) { found.append(String(utf8: $0)) }
    }
    #expect(found == ["x", "y"])
  }
}

struct DistributionTests {
  @Test("Percentiles are those of the nearest rank")
  func nearestRank() {
    let distribution = Distribution((1...200).reversed().map { .milliseconds($0) })
    #expect(distribution.percentile(50) == 100)
    #expect(distribution.percentile(99) == 198)
    #expect(distribution.maximum == 200)
    #expect(Distribution([]).percentile(50).isNaN)
  }
}

struct TriggerTests {
  @Test("The number of the change goes into the text")
  func fill() {
    #expect(Trigger.fill("v{n} 10.0.0.{octet}", 251) == "v251 10.0.0.2")
  }

  @Test("A command that fails is an error; one that does not, none")
  func command() async throws {
    await #expect(throws: LoadFailure.self) { try await Trigger.command("exit {n}").fire(3) }
    try await Trigger.command("test {n} = 3").fire(3)
  }
}
