internal import AdminServer
internal import Foundation
internal import ReleaseControl
internal import TrafficModel
internal import XDSServer

// What the server knows of a proxy, in words: the same ones in the HTTP API, in the library's errors, and on the command line.

extension ConvergenceReport.Proxy {
  /// - Parameter objects: what each refused resource was made of.
  init(_ proxy: ProxyConvergence, objects: [RefusedResource: [AdmittedObject]], now: Date) {
    self.init(
      nodeID: proxy.nodeID, namespace: proxy.proxyClass.namespace,
      protocol: proxy.variant == .delta ? .delta : .sotw, type: proxy.onlyType?.kind,
      remoteAddress: proxy.remoteAddress, state: proxy.state.rawValue,
      confirmedGeneration: proxy.confirmedGeneration, reasons: proxy.obstacles.map(\.words),
      refusals: proxy.refusals.map { refusal in
        .init(
          type: refusal.type.kind, resource: refusal.resource, parts: refusal.parts, reason: refusal.reason,
          generation: refusal.generation,
          objects: (objects[refusal] ?? []).map {
            .init(
              kind: $0.key.kind.rawValue, name: $0.key.id.description, place: "\($0.location.file):\($0.location.line)")
          })
      }, disconnectedSince: proxy.disconnectedFor.map { now.addingTimeInterval(-($0 / .seconds(1))) })
  }
}

extension LiveReport {
  init(
    _ convergence: Convergence, _ scope: ProxyScope, objects: [RefusedResource: [AdmittedObject]],
    supersededBy: UInt64? = nil
  ) {
    let now = Date()
    self.init(
      generation: convergence.generation, isLive: convergence.isLive && supersededBy == nil, scope: scope.description,
      total: convergence.total, live: convergence.live,
      laggards: convergence.proxies.filter { $0.state != .live }.map {
        let proxy = ConvergenceReport.Proxy($0, objects: objects, now: now)
        return Laggard(
          node: proxy.nodeID, address: proxy.remoteAddress, state: proxy.state, reasons: proxy.explanation)
      }, supersededBy: supersededBy)
  }
}

extension Pipeline {
  /// What the resources that proxies refuse were made of.
  func objects(of convergence: Convergence) -> [RefusedResource: [AdmittedObject]] {
    let refusals = Array(Set(convergence.proxies.flatMap(\.refusals)))
    return Dictionary(zip(refusals, origins(of: refusals))) { first, _ in first }
  }
}

extension ConvergenceObstacle {
  fileprivate var words: String {
    switch self {
    case .unconfigured: "has not been sent this generation yet"
    case .unasked(.cluster): "has not asked for the clusters that its routes name"
    case .unasked(let type): "has come back and has not asked for \(type.kind.rawValue) yet: it may follow what it had"
    case .unsent(let type): "\(type.kind.rawValue): not sent yet"
    case .unanswered(let type, let generation):
      "\(type.kind.rawValue): the response of generation \(generation) is not answered"
    case .held(let type, let item):
      "\(type.kind.rawValue) \(item.part.map { "\(item.resource) \($0)" } ?? item.resource): \(item.reason.text)"
    case .unseen: "has not come back since this server started: it may still run, with what it had"
    case .cold(let cluster): "cluster \(cluster) is accepted, and its endpoints are not yet"
    }
  }
}
