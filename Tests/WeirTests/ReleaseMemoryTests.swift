import ReleaseControl
import ReleaseStores
import Testing

@testable import Weir

/// What is kept of releases that are over.
@Suite(.timeLimit(.minutes(1))) struct ReleaseMemoryTests {
  @Test func releasesThatShapeNothingAreForgottenOldestFirst() async throws {
    let store = MemoryReleaseStore()
    var bench = try await ReleaseBench(store: store, remembered: 3)
    for _ in 1...10 {
      let release = try await bench.releases.start(.reviewsCanary([5, 100]))
      try await release.abort()
    }
    // The last one of the service, and three besides.
    #expect(try await bench.releases.list().map(\.id) == (7...10).map { "reviews.shop-\($0)" })
    #expect(store.load().records.map(\.id) == ["reviews.shop-10"] + (7...9).map { "reviews.shop-\($0)" })
    // What was done to the first is still told, and whether it was.
    let history = try await bench.releases["reviews.shop-1"].history()
    #expect(history.map(\.action).filter { $0 != "live-everywhere" && $0 != "served" } == ["start", "abort"])
    #expect(try await refusal { _ = try await bench.releases["reviews.shop-1"].status() }.code == .unknownRelease)
    #expect(try await refusal { _ = try await bench.releases["reviews.shop-11"].history() }.code == .unknownRelease)
    #expect(try await bench.releases.verify().finding == nil)
    await bench.stop()

    // Numbers go on, also after a restart.
    bench = try await ReleaseBench(store: store, remembered: 0)
    let next = try await bench.releases.start(.reviewsCanary([5, 100]))
    #expect(next.id == "reviews.shop-11")
    try await next.pause()
    #expect(try await bench.releases.list().map(\.id) == ["reviews.shop-11"])
    await bench.stop()
  }

  @Test func whatShapesRoutesIsNeverForgotten() async throws {
    let bench = try await ReleaseBench(remembered: 0)
    let first = try await bench.releases.start(.reviewsCanary([5, 100]))
    try await first.rollback()
    let second = try await bench.releases.start(.reviewsCanary([10, 100]))
    #expect(try bench.served() == ["v1": 9000, "v2": 1000])
    try await second.rollback()
    #expect(try await bench.releases.list().map(\.id) == [second.id], "the first has given way to the second")
    #expect(try bench.served() == ["v1": 10_000])
    await bench.stop()
  }
}
