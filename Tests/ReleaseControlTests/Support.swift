import Foundation
import ReleaseControl
import TrafficModel

let start = Date(timeIntervalSince1970: 1_700_000_000)

func after(_ seconds: Double) -> Date { start.addingTimeInterval(seconds) }

let shop = NamespacedName(namespace: "shop", name: "reviews")

func subset(_ version: String) -> DestinationRule.Subset { .init(name: version, labels: ["version": version]) }

/// A release from v1 to v2 of a service with ten endpoints.
func release(_ spec: ReleaseSpec? = nil, baseline: Int = 10, holds: Bool = false) -> Release {
  let spec =
    spec
    ?? .canary(
      of: "reviews.shop", from: "v1", to: "v2",
      steps: [ReleaseStep(5, pause: .for(.seconds(60))), ReleaseStep(50, pause: .untilApproved), 100],
      warm: .seconds(600))
  return Release(
    id: "reviews.shop-1", spec: spec, service: shop, stable: subset(spec.stable), candidate: subset(spec.candidate),
    baseline: baseline, at: start, holds: holds)
}

extension Release {
  /// After these events, a second apart.
  func after(_ events: ReleaseEvent...) throws -> Release {
    var release = self
    for (index, event) in events.enumerated() {
      try release.take(event, at: changedAt.addingTimeInterval(Double(index + 1)))
    }
    return release
  }
}
