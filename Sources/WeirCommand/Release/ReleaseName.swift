import ArgumentParser
import ReleaseControl
import Weir

/// The argument that names a release.
struct ReleaseName: ParsableArguments {
  @Argument(
    help: "A release by its id, as in reviews.shop-3, or by its service, as in reviews.shop.",
    completion: .custom { words, index, _ in await Self.candidates(for: words, at: index) })
  var release: String

  func find(by backend: any ReleaseBackend) async throws -> ReleaseStatus {
    try Self.find(release, in: try await backend.list())
  }

  /// - Parameter releases: in the order in which they were started.
  /// - Throws: `ReleaseError` if there is none of the name, or if several of the service are in force, for several ports.
  static func find(_ name: String, in releases: [ReleaseStatus]) throws -> ReleaseStatus {
    try ReleaseStatus.named(name, in: releases)
  }
}
