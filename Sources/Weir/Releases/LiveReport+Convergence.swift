internal import ReleaseControl
internal import TrafficModel
internal import XDSServer

extension LiveReport {
  init(_ convergence: Convergence, _ scope: ProxyScope) {
    self.init(
      generation: convergence.generation, isLive: convergence.isLive, scope: scope.description,
      total: convergence.total,
      live: convergence.live,
      laggards: convergence.proxies.filter { $0.state != .live }.map { proxy in
        Laggard(
          node: proxy.nodeID, address: proxy.remoteAddress, state: proxy.state.rawValue,
          reasons: proxy.refusals.isEmpty ? proxy.obstacles.map(\.text) : proxy.refusals.map(\.text))
      })
  }
}

extension RefusedResource {
  fileprivate var text: String {
    let place = parts.isEmpty ? resource : "\(resource) (\(parts.joined(separator: ", ")))"
    return "refuses \(type.kind.rawValue) \(place): \(reason)"
  }
}

extension ConvergenceObstacle {
  fileprivate var text: String {
    switch self {
    case .unconfigured: "has not been sent anything yet"
    case .unasked(let type): "has not asked for its \(type.kind.rawValue) resources"
    case .unsent(let type): "its \(type.kind.rawValue) resources are not all sent"
    case .unanswered(let type, let generation):
      "has not answered the \(type.kind.rawValue) resources of generation \(generation)"
    case .held(let type, let item): "\(type.kind.rawValue) \(item.resource) is held back: \(item.reason.text)"
    case .cold(let cluster): "the cluster \(cluster) is not warm"
    }
  }
}

extension ConvergenceQuery {
  /// When a generation's part of a release is live: what else a proxy lacks, or has refused long ago, is no matter of it.
  init(_ generation: UInt64, of release: Release, clusterDomain: String, scope: ProxyScope = .all) {
    let suffix = "|\(release.service.name).\(release.service.namespace).svc.\(clusterDomain)"
    self.init(generation: generation, scope: scope, concerns: { $0.hasSuffix(suffix) })
  }
}
