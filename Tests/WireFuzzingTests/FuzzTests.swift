import Foundation
import Testing

@testable import WireFuzzing

/// A short run of every fuzzer; `make fuzz` runs a million inputs under the address sanitizer.
///
/// The inputs are the same each time. `WEIR_SEED=random` begins elsewhere, `WEIR_SEED=N` at N (a failure prints its seed), and
/// `WEIR_INPUTS` is how many inputs each target gets.
@Suite struct FuzzTests {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("fuzz").path
  private static let kept = KeptInputs.files(in: folder + "/corpus") + KeptInputs.files(in: folder + "/failures")

  @Test func everyTargetHasKeptInputs() {
    let names = Self.kept.map { String(($0 as NSString).lastPathComponent.prefix { $0 != "-" }) }
    #expect(Set(names) == Set(FuzzTarget.all.map(\.name)))
  }

  @Test(arguments: kept)
  func aKeptInputBreaksNoRule(_ file: String) throws {
    try KeptInputs.replay(file)
  }

  @Test(arguments: FuzzTarget.all.map(\.name))
  func newInputsBreakNoRule(_ name: String) throws {
    let environment = ProcessInfo.processInfo.environment
    let given = environment["WEIR_SEED"]
    let seed = given == "random" ? UInt64.random(in: 1...UInt64(UInt32.max)) : given.flatMap(UInt64.init) ?? 1
    let count = environment["WEIR_INPUTS"].flatMap(Int.init) ?? 1000
    print("fuzz: \(name), \(count) inputs from seed \(seed)")
    try FuzzRun(try #require(FuzzTarget.named(name)), seed: seed, count: count).run()
  }

  @Test(arguments: FuzzTarget.all.map(\.name))
  func aSeedGivesTheSameInputAgain(_ name: String) throws {
    let target = try #require(FuzzTarget.named(name))
    let inputs = (1...50).map { FuzzRun.input(of: target, seed: UInt64($0)) }
    #expect(inputs == (1...50).map { FuzzRun.input(of: target, seed: UInt64($0)) })
    #expect(Set(inputs).count > 45)
  }
}
