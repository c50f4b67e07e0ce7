internal import ReleaseControl
internal import TrafficCompiler
internal import TrafficModel
internal import XDSSnapshot

// Releases come in between gate and compiler: what was admitted stays as it is, and the compiler is told beside it how releases
// divide the routes. What a guard rail asks for goes into the generation of the edit that made it ask.
extension Pipeline {
  /// What is there of a release.
  struct ReleaseView: Sendable {
    var capacity: ReleaseCapacity
    var routes: ReleasedRouteList
    var servedWeight: Weight
    var note: String?
    var generation: UInt64
    /// Whether its weight is what is served, to some route at least. Else it is live nowhere.
    var isAsSet: Bool
  }

  /// What a new release of a service starts from.
  struct ReleaseGround: Sendable {
    var ports: [ServicePort]
    var stable: DestinationRule.Subset
    var candidate: DestinationRule.Subset
    var capacity: ReleaseCapacity
    /// Ready endpoints of the whole service, whatever version they are.
    var ready: Int
    /// As it would be at its start.
    var overlay: ReleaseOverlay
    var routes: ReleasedRouteList
    /// Who has the preview host already.
    var previewOwner: ObjectKey?
  }

  /// Serves releases as they are now, all of them with one generation.
  ///
  /// - Returns: its number; that of the present one if nothing changes on the wire.
  @discardableResult
  func serve(_ releases: [Release]) -> UInt64 {
    let before = compiler.generation
    let notices = released.set(releases, in: compiler)
    if compiler.generation !== before {
      serve(compiler.generation)
      noteChange()
    }
    // That a release's own capacity was looked at is news to nobody.
    for notice in notices where notice.isNews { onReleaseNotice(notice) }
    return compiler.generation.number
  }

  /// Which generation serves a release as it is now; nil for one that is not in force.
  func servedGeneration(of id: String) -> UInt64? { released[id]?.generation }

  /// That a generation is none of this process.
  nonisolated func wordsOfBefore(_ generation: UInt64) -> String {
    "generation \(generation) is of a process before this one, whose generations begin at \(generationsBegin)"
  }

  var generationNumber: UInt64 { compiler.generation.number }

  /// Nil if there is no such service.
  ///
  /// - Parameter predecessor: the release whose place the new one takes.
  func ground(
    for spec: ReleaseSpec, of service: NamespacedName, after predecessor: Release? = nil
  ) -> ReleaseGround? {
    guard let found = compiler.service(service) else { return nil }
    func subset(_ name: String) -> DestinationRule.Subset {
      compiler.declaredSubset(name, of: service) ?? .init(name: name, labels: [spec.versionLabel: name])
    }
    let (stable, candidate) = (subset(spec.stable), subset(spec.candidate))
    func ready(_ subset: DestinationRule.Subset) -> Int {
      compiler.readyEndpoints(of: service, port: spec.port, labels: subset.labels)
    }
    var overlay = ReleaseOverlay(port: spec.port, stable: stable, candidate: candidate, weight: .none)
    (overlay.formerSubsets, overlay.ownRoutes) = inheritance(overlay, of: service, from: predecessor)
    return ReleaseGround(
      ports: found.ports, stable: stable, candidate: candidate,
      capacity: ReleaseCapacity(stable: ready(stable), candidate: ready(candidate)),
      ready: compiler.readyEndpoints(of: service, port: spec.port, labels: [:]), overlay: overlay,
      routes: routes(of: service, overlay), previewOwner: spec.previewHost.flatMap { compiler.owner(ofHost: $0) })
  }

  func capacity(of release: Release) -> ReleaseCapacity { compiler.capacity(of: release) }

  func view(of release: Release) -> ReleaseView {
    let served = released[release.id]
    let routes = routes(of: release)
    let isIdle = release.state.isInForce && routes.divided.isEmpty
    return ReleaseView(
      capacity: capacity(of: release), routes: routes,
      servedWeight: served?.weight ?? (release.state.isInForce ? release.weight : .none),
      note: served?.note ?? (isIdle ? "it divides no route of \(release.service) any longer" : nil),
      generation: served?.generation ?? compiler.generation.number, isAsSet: served?.spilled == nil && !isIdle)
  }

  func spill(of release: Release) -> ReleasedServices.Spill? { released.spill(of: release) }

  /// Whether what is served of a release is what was set. Where no route is left for it, a notice comes when routes change.
  func isServedAsSet(_ release: Release) -> Bool {
    let view = view(of: release)
    if !view.isAsSet { released.awaitRoutes(of: release) }
    return view.isAsSet
  }
}
