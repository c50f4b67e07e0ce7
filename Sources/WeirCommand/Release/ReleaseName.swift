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
  /// - Throws: `CommandFailure` if there is none of the name, or if several of the service are in force, for several ports.
  static func find(_ name: String, in releases: [ReleaseStatus]) throws -> ReleaseStatus {
    if let release = releases.first(where: { $0.id == name }) { return release }
    let service = name.lowercased()
    let ofService = releases.filter { $0.service == service || $0.service.hasPrefix(service + ".") }
    let inForce = ofService.filter(\.state.isInForce)
    guard inForce.count < 2 else {
      let ids = inForce.map { $0.id + ($0.port.map { " (port \($0))" } ?? " (\($0.service))") }
      throw CommandFailure("\(name) has \(inForce.count) releases in force, name one: \(ids.joined(separator: ", "))")
    }
    guard let release = inForce.first ?? ofService.last else {
      throw CommandFailure("no release has the id or the service \(name)")
    }
    return release
  }
}
