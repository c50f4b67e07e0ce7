internal import EnvoyAPI
public import ReleaseControl
internal import TrafficModel
public import XDSServer
internal import XDSSnapshot

// Where is a change live? Every publication has a number, its generation; whoever made the change knows it.
extension ControlPlane {
  /// The newest generation that proxies are served; 0 before the first.
  public var generation: UInt64 { xds.generation?.number ?? 0 }

  /// Where a generation is live now, and why not elsewhere. Costs a visit of every stream.
  ///
  /// - Throws: ``ControlPlaneError`` `unknownGeneration` for one of a process before this one.
  public func convergence(of query: ConvergenceQuery, listsLive: Bool = false) async throws -> Convergence {
    try checkGeneration(query)
    return await xds.convergence(of: query, listsLive: listsLive)
  }

  /// Returns the moment the generation is live on all proxies in scope; or when the time is over, with those where it is not,
  /// why, and what they refused.
  ///
  /// ```swift
  /// let outcome = try await plane.live(.init(generation: token), within: .seconds(5))
  /// for proxy in outcome.proxies { print(proxy.nodeID, proxy.state, proxy.obstacles, proxy.refusals) }
  /// ```
  ///
  /// - Throws: `CancellationError`, or what the clock throws; ``ControlPlaneError`` `unknownGeneration` for a generation of a process
  ///   before this one.
  public func live(
    _ query: ConvergenceQuery, within time: Duration, clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> Convergence {
    try checkGeneration(query)
    return try await xds.live(query, within: time, clock: clock)
  }

  /// Where a generation is live, now and after each change, until it is live in all the scope.
  ///
  /// - Throws: ``ControlPlaneError`` `unknownGeneration` for one of a process before this one.
  public func convergences(of query: ConvergenceQuery) throws -> ConvergenceChanges {
    try checkGeneration(query)
    return xds.convergences(of: query)
  }

  private func checkGeneration(_ query: ConvergenceQuery) throws {
    guard query.generation < pipeline.generationsBegin else { return }
    throw ControlPlaneError(code: .unknownGeneration, message: pipeline.wordsOfBefore(query.generation))
  }

  /// The clusters of a service, for `ConvergenceQuery.concerns`: with them a query asks about the service alone, and what a
  /// proxy lacks or refuses of others does not count. Nil for what is no service's name.
  ///
  /// - Parameter service: as in `reviews.shop`, or its full name.
  public func clusters(of service: String) -> (@Sendable (String) -> Bool)? {
    ServiceClusters(service, clusterDomain: pipeline.clusterDomain)?.contains
  }

  /// Takes a proxy that has disconnected to be gone for good: no change waits for it any longer, and it keeps nothing from being
  /// safe to terminate. Releases that may go on by that have it in their ledger, before it is so.
  ///
  /// - Returns: how many streams of its node are forgotten.
  /// - Throws: ``ReleaseError``: `notAllowed` if it is connected, `unknownProxy` if nobody waits for it, `notDurable`.
  @discardableResult
  public func forgetProxy(_ nodeID: String, _ request: ReleaseRequest = ReleaseRequest()) async throws -> Int {
    try await controller.forgetProxy(nodeID, request)
  }

  /// Whether no proxy can pick an endpoint any more: it is absent or drains in what each has accepted. Returns the moment that
  /// is so, or after the time with those that still can. For a hook that runs before a pod is stopped.
  ///
  /// Requests under way are not waited for.
  ///
  /// - Parameter address: `IP:PORT`, as in an EndpointSlice. Nil is returned for anything else.
  /// - Throws: `CancellationError`, or what the clock throws.
  public func safeToTerminate(
    endpoint address: String, within time: Duration = .zero, clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> Termination? {
    guard let endpoint = EndpointSearch(hostPort: address) else { return nil }
    return try await xds.termination(of: .endpoint(endpoint), within: time, clock: clock)
  }

  /// Whether no proxy can route to a subset of a service any more: no route or listener that any may have names it, or the whole
  /// service, whose endpoints are the subset's as well. Returns the moment that is so, or after the time with those that still
  /// can.
  ///
  /// Requests under way are not waited for.
  ///
  /// - Parameters:
  ///   - subset: empty for the whole service.
  ///   - service: as in `reviews.shop`. Nil is returned for what is no service's name, or if it is not served and no port is
  ///     given.
  ///   - port: nil for all that it has now.
  /// - Throws: `CancellationError`, or what the clock throws.
  public func safeToTerminate(
    subset: String, of service: String, port: UInt16? = nil, within time: Duration = .zero,
    clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> Termination? {
    let clusters = ServiceClusters(service, clusterDomain: pipeline.clusterDomain)
    guard let names = clusters?.names(subset: subset, port: port, in: xds.generation), !names.isEmpty else {
      return nil
    }
    return try await xds.termination(of: .clusters(names), within: time, clock: clock)
  }
}

/// The names of a service's clusters: `outbound|PORT|SUBSET|HOST`.
struct ServiceClusters {
  let host: String

  init?(_ service: String, clusterDomain: String) {
    guard let id = HostName.service(service.lowercased(), clusterDomain: clusterDomain) else { return nil }
    host = "\(id.name).\(id.namespace).svc.\(clusterDomain)"
  }

  var contains: @Sendable (String) -> Bool {
    { [suffix = "|" + host] in $0.hasSuffix(suffix) }
  }

  /// The clusters by which a subset's endpoints can be reached. O(clusters) if no port is given.
  func names(subset: String, port: UInt16?, in generation: Generation?) -> Set<String> {
    var ports: Set<Substring> = []
    if let port {
      ports = ["\(port)"]
    } else {
      let contains = contains
      generation?.clusters.tree.forEach { cluster in
        guard contains(cluster.name) else { return }
        let parts = cluster.name.split(separator: "|", omittingEmptySubsequences: false)
        if parts.count == 4 { ports.insert(parts[1]) }
      }
    }
    return Set(ports.flatMap { ["outbound|\($0)|\(subset)|\(host)", "outbound|\($0)||\(host)"] })
  }
}
