internal import AdminServer
internal import EnvoyAPI
internal import Foundation
internal import Synchronization
internal import TrafficModel
internal import XDSServer
internal import XDSSnapshot

/// The control plane as the admin server shows it.
struct AdminView: AdminDataSource {
  let xds: XDSServer
  let pipeline: Pipeline
  let isReady: Flag
  let metrics: XDSMetricsView
  /// Whoever runs the releases.
  let controller: ReleaseController

  var releases: (any ReleaseDataSource)? { AdminReleases(controller: controller, isReady: isReady) }

  var isSynced: Bool { isReady.value }

  func prepareMetrics() async { metrics.update(await xds.metrics()) }

  /// Those of the input, and what proxies refuse of what it was made into.
  func problems() async -> [Problem] {
    await pipeline.problems
      + xds.refusals().map { refusal in
        Problem(
          .warning, at: nil,
          "\(refusal.type.kind.rawValue) \(refusal.resource) is refused by \(refusal.proxies) "
            + "\(refusal.proxies == 1 ? "proxy" : "proxies"): \(refusal.message)")
      }
  }

  func changes() async -> ChangeList { await pipeline.changes }

  func proxies() async -> [ProxyReport] {
    let now = Date()
    let newest = xds.generation?.number ?? 0
    return await xds.proxies().map { $0.report(now: now, newest: newest) }
  }

  func resources(_ query: ResourceQuery) async throws -> [ResourceReport] {
    guard let generation = xds.generation else { return [] }
    var reports: [ResourceReport] = []
    for type in ResourceType.allCases where query.type == nil || query.type == type.kind {
      if let table = generation.sharedTable(type) {
        try reports.append(contentsOf: Self.reports(of: table, type, nil, query))
        continue
      }
      let classes = generation.classes.keys.sorted { $0.sortKey < $1.sortKey }
      for proxyClass in classes where query.namespace == nil || query.namespace == proxyClass.namespace {
        guard let table = generation.table(type, for: proxyClass) else { continue }
        try reports.append(contentsOf: Self.reports(of: table, type, proxyClass, query))
      }
    }
    return reports
  }

  private static func reports(
    of table: ResourceTable, _ type: ResourceType, _ proxyClass: ProxyClass?, _ query: ResourceQuery
  ) throws -> [ResourceReport] {
    if let name = query.name {
      return try table[name].map { [try report($0, type, proxyClass)] } ?? []
    }
    var reports: [ResourceReport] = []
    reports.reserveCapacity(table.count)
    try table.tree.forEach { try reports.append(report($0, type, proxyClass)) }
    return reports
  }

  private static func report(
    _ resource: Resource, _ type: ResourceType, _ proxyClass: ProxyClass?
  ) throws -> ResourceReport {
    let body = try EnvoyJSON.render(typeURL: type.kind.typeURL, bytes: resource.flattened())
    return ResourceReport(
      type: type.kind, name: resource.name, version: resource.version,
      proxyClass: proxyClass.map {
        .init(kind: $0.kind.rawValue, namespace: $0.namespace, listen: $0.listen)
      },
      body: try JSONDecoder().decode(JSONValue.self, from: Data(body.utf8)))
  }
}

extension Generation {
  /// The table of a type that is the same for every class.
  fileprivate func sharedTable(_ type: ResourceType) -> ResourceTable? {
    switch type {
    case .cluster: clusters
    case .endpoint: endpoints
    case .loneEndpoint: loneEndpoints?.endpoints ?? .init()
    case .listener, .route, .virtualHost: nil
    }
  }
}

extension ResourceType {
  var kind: ResourceKind {
    switch self {
    case .cluster: .cluster
    case .endpoint: .endpoint
    case .listener: .listener
    case .route: .route
    case .virtualHost: .virtualHost
    case .loneEndpoint: .loneEndpoint
    }
  }
}

extension ProxyClass {
  fileprivate var listen: String {
    listenHost.contains(":") ? "[\(listenHost)]:\(listenPort)" : "\(listenHost):\(listenPort)"
  }
  fileprivate var sortKey: (String, String, String) { (namespace, kind.rawValue, listen) }
}

extension ProxyStatus {
  fileprivate func report(now: Date, newest: UInt64) -> ProxyReport {
    ProxyReport(
      nodeID: nodeID, namespace: proxyClass.namespace, kind: proxyClass.kind.rawValue,
      protocol: variant == .delta ? .delta : .sotw, remoteAddress: remoteAddress,
      connectedSince: now.addingTimeInterval(-(connectedFor / .seconds(1))),
      types: types.map { $0.report(now: now, newest: newest) })
  }
}

extension ProxyStatus.TypeStatus {
  fileprivate func report(now: Date, newest: UInt64) -> TypeReport {
    // A proxy that came back with what is served holds it without having been sent anything.
    let held = acks > 0 || convergedGeneration > 0 ? version : nil
    return TypeReport(
      type: type.kind, subscribed: names, wildcard: isWildcard, heldVersion: held,
      sentVersion: inFlight?.version ?? held, inFlight: inFlight != nil,
      lag: newest - min(convergedGeneration, newest),
      heldBack: self.held.map { item in
        .init(name: item.part.map { "\(item.resource) \($0)" } ?? item.resource, reason: item.reason.text)
      },
      lastNack: rejection.map { rejection in
        .init(
          reason: rejection.message, resources: rejection.resources,
          at: now.addingTimeInterval(-(rejectionAge / .seconds(1))))
      })
  }
}

extension HeldItem.Reason {
  var text: String {
    switch self {
    case .waitsForCluster(let name): "waits for the cluster \(name) to be warm"
    case .inUse: "stays until no route or listener of the proxy names it"
    case .refused: "refused by the proxy, which keeps the version before"
    }
  }
}
