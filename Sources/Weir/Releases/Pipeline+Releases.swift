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
  }

  /// What a new release of a service starts from.
  struct ReleaseGround: Sendable {
    var ports: [ServicePort]
    var stable: DestinationRule.Subset
    var candidate: DestinationRule.Subset
    var capacity: ReleaseCapacity
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
    for notice in notices where !notice.events.isEmpty { onReleaseNotice(notice) }
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
  func ground(for spec: ReleaseSpec, of service: NamespacedName) -> ReleaseGround? {
    guard let found = compiler.service(service) else { return nil }
    func subset(_ name: String) -> DestinationRule.Subset {
      compiler.declaredSubset(name, of: service) ?? .init(name: name, labels: [spec.versionLabel: name])
    }
    let (stable, candidate) = (subset(spec.stable), subset(spec.candidate))
    func ready(_ subset: DestinationRule.Subset) -> Int {
      compiler.readyEndpoints(of: service, port: spec.port, labels: subset.labels)
    }
    return ReleaseGround(
      ports: found.ports, stable: stable, candidate: candidate,
      capacity: ReleaseCapacity(stable: ready(stable), candidate: ready(candidate)))
  }

  func capacity(of release: Release) -> ReleaseCapacity { compiler.capacity(of: release) }

  func view(of release: Release) -> ReleaseView {
    let served = released[release.id]
    return ReleaseView(
      capacity: capacity(of: release), routes: release.state.isInForce ? routes(of: release) : ReleasedRouteList(),
      servedWeight: served?.weight ?? (release.state.isInForce ? release.weight : .none), note: served?.note,
      generation: served?.generation ?? compiler.generation.number)
  }
}
