import EnvoyHarness
import Testing

@testable import WeirBenchmarks

/// The measurement itself, with a few proxies: that it measures what it says, not how fast that is.
@Suite(.timeLimit(.minutes(2))) struct RollbackTests {
  @Test(arguments: [true, false]) func aRollbackIsMeasured(_ byVHDS: Bool) async throws {
    let directory = TemporaryDirectory(prefix: "weir-bench")
    defer { directory.remove() }
    let figures = try await Rollback(services: 10, byVHDS: byVHDS, proxies: 5).measure(.quick, in: directory)
    let (p50, p99) = (figures["p50_ms"] ?? 0, figures["p99_ms"] ?? 0)
    #expect(figures["rollbacks"] == 20)
    #expect(p50 > 0 && p99 >= p50 && (figures["max_ms"] ?? 0) >= p99)
    #expect((figures["call_p50_ms"] ?? 0) < p50)
    // One virtual host, or the table of ten.
    let bytes = figures["bytes_per_stream"] ?? 0
    #expect(byVHDS ? (200..<2_000).contains(bytes) : bytes > 3_000, "\(bytes)")
  }
}
