import ManifestSource
import ReleaseControl
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

/// Routes that are edited while a release is in force, releases that follow one another, and preview hosts.
@Suite(.timeLimit(.minutes(1))) struct ReleaseRouteTests {
  /// Three versions, all declared, and a VirtualService.
  private func bench(_ routes: String...) async throws -> ReleaseBench {
    let bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 2, v3: 2))
    await bench.take(reviewsSubsets + "\n  - {name: v3, labels: {version: v3}}", file: "b.yaml")
    await bench.take(reviewsRoutes(routes), file: "c.yaml")
    return bench
  }

  private func all(to version: String) -> String { "{route: [{destination: {host: reviews, subset: \(version)}}]}" }

  // MARK: Edited while a release is in force

  @Test func aRollbackMovesARouteThatWasTurnedToTheCandidate() async throws {
    let bench = try await bench(all(to: "v1"))
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    await bench.take(reviewsRoutes(all(to: "v2")), file: "c.yaml")
    #expect(try bench.served() == ["v1": 5000, "v2": 5000], "the release decides what the candidate gets")
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    #expect(try await release.status().routes.divided == ["VirtualService shop/reviews: http[0]"])
    await bench.stop()
  }

  @Test func aRouteThatLedToTheCandidateBeforeStaysSo() async throws {
    let own = "{match: [{uri: {prefix: /new}}], route: [{destination: {host: reviews, subset: v2}}]}"
    let bench = try await bench(own, all(to: "v1"))
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    await bench.take(reviewsRoutes(own, all(to: "v2")), file: "c.yaml")
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    let routes = try await release.status().routes
    #expect(routes.divided == ["VirtualService shop/reviews: http[1]"])
    #expect(
      routes.untouched == [
        "VirtualService shop/reviews: http[0]: it led to v2 alone before the release, and still does"
      ])
    await bench.stop()
  }

  // MARK: One after the other

  @Test func aSuccessorTakesOverWhatItsPredecessorHasMoved() async throws {
    for next in ["v3", "v1"] {
      let bench = try await bench(all(to: "v1"))
      let first = try await bench.releases.start(.reviewsCanary([100]))
      try await bench.status(first) { $0.state == .succeeded }
      #expect(try bench.served() == ["v2": 10_000])
      let second = try await bench.releases.start(.canary(of: "reviews.shop", from: "v2", to: next, steps: [5]))
      #expect(try bench.served() == ["v2": 9500, next: 500])
      #expect(try await second.status().routes.divided == ["VirtualService shop/reviews: http[0]"])
      try await second.rollback()
      #expect(try bench.served() == ["v2": 10_000])
      await bench.stop()
    }
  }

  @Test func aThirdReleaseKnowsTheNamesOfTheFirst() async throws {
    let bench = try await bench(all(to: "v1"))
    let first = try await bench.releases.start(.reviewsCanary([100]))
    try await bench.status(first) { $0.state == .succeeded }
    let second = try await bench.releases.start(.canary(of: "reviews.shop", from: "v2", to: "v3", steps: [100]))
    try await bench.status(second) { $0.state == .succeeded }
    #expect(try bench.served() == ["v3": 10_000])
    _ = try await bench.releases.start(.canary(of: "reviews.shop", from: "v3", to: "v2", steps: [10]))
    #expect(try bench.served() == ["v3": 9000, "v2": 1000])
    await bench.stop()
  }

  @Test func aReleaseThatWouldDivideNothingIsRefused() async throws {
    let bench = try await bench(all(to: "v3"))
    let error = try await refusal { _ = try await bench.releases.start(.reviewsCanary([5, 100])) }
    #expect(error.code == .invalid)
    #expect(
      error.message == "no route leads to v1 or to all of shop/reviews, so there is nothing to divide; "
        + "VirtualService shop/reviews: http[0]: it leads to neither v1 nor the whole service")
    #expect(try bench.served() == ["v3": 10_000])
    await bench.stop()
  }

  @Test func aSuccessorLeavesNoPortOfItsPredecessorAlone() async throws {
    let ports = reviewsManifest(v1: 2, v2: 2).replacing(
      "ports: [{name: http, port: 80}]", with: "ports: [{name: http, port: 80}, {name: http-b, port: 81}]"
    ).replacing(
      "ports: [{name: http, port: 8080}]", with: "ports: [{name: http, port: 8080}, {name: http-b, port: 8081}]")
    let bench = try await ReleaseBench(ports)
    let first = try await bench.releases.start(.reviewsCanary([100]))
    try await bench.status(first) { $0.state == .succeeded }
    let error = try await refusal {
      _ = try await bench.releases.start(.canary(of: "reviews.shop", port: 80, from: "v2", to: "v1", steps: [5]))
    }
    #expect(error.code == .alreadyReleased && error.release == first.id)
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  // MARK: Preview hosts

  @Test func aPreviewHostIsNobodyElses() async throws {
    let bench = try await ReleaseBench()
    await bench.take(reviewsManifest(v1: 1, v2: 1, name: "ratings"), file: "b.yaml")
    for host in ["ratings.shop", "RATINGS.shop.svc", "ratings.shop.svc.cluster.local"] {
      let error = try await refusal {
        _ = try await bench.releases.start(
          .blueGreen(of: "reviews.shop", from: "v1", to: "v2", previewHost: host))
      }
      #expect(error.code == .invalid)
      #expect(error.message == "the preview host \(host) is Service shop/ratings's")
    }
    #expect(try bench.served("ratings.shop.svc.cluster.local") == ["": 10_000])
    await bench.stop()
  }

  @Test func aPreviewYieldsToWhoeverComesLater() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .blueGreen(of: "reviews.shop", from: "v1", to: "v2", previewHost: "ratings.shop"))
    #expect(try bench.served("ratings.shop") == ["v2": 10_000])
    await bench.take(reviewsManifest(v1: 1, v2: 1, name: "ratings"), file: "b.yaml")
    #expect(try bench.served("ratings.shop.svc.cluster.local") == ["": 10_000], "the service's traffic stays its own")
    #expect(
      try await release.status().routes.untouched == [
        "preview host ratings.shop: it is Service shop/ratings's, which comes first"
      ])
    await bench.stop()
  }
}
