import Testing

@testable import WireFuzzing

@Suite struct CycleTests {
  /// `make fuzz` does 10,000 of them, under the address sanitizer and without.
  @Test func cyclesLeaveNothingBehind() async throws {
    let report = try await ConnectionCycles(count: 600, measuredAfter: 300, seed: 1).run()
    #expect(report.open == 0, "calls or connections that the server still counts")
    // A connection that is reset at once may be gone before it is accepted.
    #expect((580...600).contains(report.opened))
    #expect(report.subscribed > 300, "most cycles get as far as a response")
    #expect(report.bytesAfter - report.bytesBefore < 8 << 20, "\(report)")
  }
}
