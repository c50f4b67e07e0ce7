public import XDSServer
internal import XDSSnapshot

// Where is a change live? Every publication has a number, its generation; whoever made the change knows it.
extension ControlPlane {
  /// The newest generation that proxies are served; 0 before the first.
  public var generation: UInt64 { xds.generation?.number ?? 0 }

  /// Where a generation is live now, and why not elsewhere. Costs a visit of every stream.
  public func convergence(of query: ConvergenceQuery, listsLive: Bool = false) async -> Convergence {
    await xds.convergence(of: query, listsLive: listsLive)
  }

  /// Returns the moment the generation is live on all proxies in scope; or when the time is over, with those where it is not,
  /// why, and what they refused.
  ///
  /// ```swift
  /// let outcome = try await plane.live(.init(generation: token), within: .seconds(5))
  /// for proxy in outcome.proxies { print(proxy.nodeID, proxy.state, proxy.obstacles, proxy.refusals) }
  /// ```
  ///
  /// - Throws: `CancellationError`, or what the clock throws.
  public func live(
    _ query: ConvergenceQuery, within time: Duration, clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> Convergence {
    try await xds.live(query, within: time, clock: clock)
  }

  /// Where a generation is live, now and after each change, until it is live in all the scope.
  public func convergences(of query: ConvergenceQuery) -> ConvergenceChanges { xds.convergences(of: query) }
}
