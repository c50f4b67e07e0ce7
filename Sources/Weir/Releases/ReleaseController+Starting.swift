internal import ManifestSource
internal import ReleaseControl
internal import TrafficModel
internal import XDSServer

extension ReleaseController {
  func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try spec.validate()
    try request.validate()
    for rule in spec.rules {
      for case (let name, .regex(let text)) in Array(rule.headers) + Array(rule.cookies) + Array(rule.queryParameters) {
        if let problem = ManifestDecoder.problem(ofExpression: text) {
          throw ReleaseError(.invalid, "the condition on \(name) is no RE2 expression: \(problem)")
        }
      }
    }
    if let scope = spec.liveOn, ProxyScope(scope) == nil {
      throw ReleaseError(.invalid, "liveOn: " + ProxyScope.words(ofWrong: scope))
    }
    guard let service = HostName.service(spec.service.lowercased(), clusterDomain: clusterDomain) else {
      throw ReleaseError(
        .invalid, "\(spec.service) names no service: NAME.NAMESPACE, or with .svc or .svc.\(clusterDomain) behind it")
    }
    return try await alone(on: service) { try await $0.start(spec, of: service, request) }
  }

  private func start(
    _ spec: ReleaseSpec, of service: NamespacedName, _ request: ReleaseRequest
  ) async throws -> ReleaseStatus {
    let fingerprint = "start \(String(decoding: try ReleaseJSON.encode(spec), as: UTF8.self))"
    if let answer = try await replay(request, fingerprint) { return answer }
    let (release, replaced) = try await prepare(spec, service, request)
    var changed: [(Release, Weight)] = []
    for var old in replaced {
      let weight = old.weight
      try old.take(.action(.retire), reason: "\(release.id) takes its place", at: now)
      changed.append((old, weight))
    }
    changed.append((release, .none))
    try await commit(changed, action: "start", request, fingerprint)
    return await status(of: release)
  }

  /// - Returns: with the new release those that are over and give way to it.
  private func prepare(
    _ spec: ReleaseSpec, _ service: NamespacedName, _ request: ReleaseRequest
  ) async throws -> (Release, replaced: [Release]) {
    let others = releases.values.filter {
      $0.service == service && $0.state.isInForce
        && ($0.spec.port == nil || spec.port == nil || $0.spec.port == spec.port)
    }.sorted { $0.id < $1.id }
    guard let ground = await pipeline.ground(for: spec, of: service, after: others.first) else {
      throw ReleaseError(.unknownService, "there is no service \(service)")
    }
    let http = ground.ports.filter(\.applicationProtocol.isHTTP).map(\.port).sorted()
    guard !http.isEmpty else {
      throw ReleaseError(.invalid, "\(service) has no HTTP port, and only HTTP can be divided")
    }
    if let port = spec.port, !http.contains(port) {
      throw ReleaseError(
        .invalid, "\(service) has no HTTP port \(port); it has \(http.map(String.init).joined(separator: ", "))")
    }
    for other in others { try checkSuccession(spec, after: other, http) }
    try checkRoutes(spec, service, ground)
    let stem = "\(service.name).\(service.namespace)-"
    if let lost = unusable.first(where: { $0.hasPrefix(stem) && Int($0.dropFirst(stem.count)) != nil }) {
      throw ReleaseError(
        .alreadyReleased, "what is kept of release \(lost) of \(service) cannot be read: see the problems",
        release: lost)
    }
    // The last one of a service is never forgotten, so no number comes again.
    let last = releases.values.filter { $0.service == service }.compactMap { Int($0.id.dropFirst(stem.count)) }.max()
    let id = stem + "\((last ?? 0) + 1)"
    func release(holds: Bool) -> Release {
      Release(
        id: id, spec: spec, service: service, stable: ground.stable, candidate: ground.candidate,
        baseline: ground.capacity.stable, formerSubsets: ground.overlay.formerSubsets,
        ownRoutes: ground.overlay.ownRoutes, reason: request.reason, at: now, holds: holds)
    }
    // Also before its first step: from its start on, what went to the whole service goes to the stable subset.
    if ground.capacity.stable == 0, ground.ready > 0 {
      throw ReleaseError(.notEnoughCapacity, "\(spec.stable) has no ready endpoint of \(service)")
    }
    let started = release(holds: false)
    // Whoever gets requests, by weight, rule or as copies, has to be there.
    let takes = started.weight > .none || !spec.rules.isEmpty || started.mirror > .none || spec.previewHost != nil
    let shortfall =
      started.shortfall(for: started.weight, ground.capacity, from: Weight.none)
      ?? (takes && ground.capacity.candidate < max(1, spec.guardRails.minimumReady)
        ? CapacityShortfall(
          subset: spec.candidate, ready: ground.capacity.candidate, needed: max(1, spec.guardRails.minimumReady),
          weight: started.weight)
        : nil)
    if let shortfall {
      guard spec.guardRails.onShortfall == .hold else { throw ReleaseError(.notEnoughCapacity, "\(shortfall)") }
      return (release(holds: true), others)
    }
    // It starts before its first step, and takes that one like any other, when all who are to be asked about it let it.
    let held = release(holds: true)
    return (webhooks?.gates(from: held, to: started).isEmpty ?? true ? started : held, others)
  }

  /// A release divides something, and its preview takes no host from anybody.
  private func checkRoutes(
    _ spec: ReleaseSpec, _ service: NamespacedName, _ ground: Pipeline.ReleaseGround
  ) throws {
    if let host = spec.previewHost, let owner = ground.previewOwner {
      throw ReleaseError(.invalid, "the preview host \(host) is \(owner.possessor)'s")
    }
    guard ground.routes.divided.isEmpty else { return }
    throw ReleaseError(
      .invalid,
      (["no route leads to \(spec.stable) or to all of \(service), so there is nothing to divide"]
        + ground.routes.untouched).joined(separator: "; "))
  }

  /// A release takes the place of one that is over, if it starts where that one has left the service, and for the same ports: those
  /// of the old one alone would fall back to what the manifests say, and those of the new one alone know nothing of the old one.
  private func checkSuccession(_ spec: ReleaseSpec, after other: Release, _ http: [UInt16]) throws {
    guard other.state == .succeeded || other.state == .rolledBack else {
      throw ReleaseError(
        .alreadyReleased,
        "release \(other.id) of \(other.service) is \(other.state.phrase); allowed for it now: "
          + other.state.allowedActions.map(\.rawValue).joined(separator: ", "), release: other.id,
        allowedNow: other.state.allowedActions)
    }
    let present = other.state == .succeeded ? other.candidate.name : other.stable.name
    guard spec.stable == present else {
      throw ReleaseError(
        .alreadyReleased,
        "release \(other.id) has left \(other.service) at \(present): start from there, or retire it first",
        release: other.id, allowedNow: other.state.allowedActions)
    }
    func ports(_ port: UInt16?) -> [UInt16] { port.map { [$0] } ?? http }
    guard ports(spec.port) == ports(other.spec.port) else {
      throw ReleaseError(
        .alreadyReleased,
        "release \(other.id) shapes \(other.spec.port.map { "port \($0)" } ?? "all ports") of \(other.service): start for the "
          + "same, or retire it first", release: other.id, allowedNow: other.state.allowedActions)
    }
  }
}
