internal import ReleaseControl
internal import TrafficCompiler
internal import TrafficModel

/// The releases that shape routes now, and what the compiler was told of them. A value of the pipeline's.
struct ReleasedServices {
  /// Something about a released service, for whoever keeps the releases.
  struct Notice: Sendable {
    var service: NamespacedName
    /// What guard rails ask for.
    var events: [(release: String, event: ReleaseEvent, reason: String)] = []
    var spills: [Spill] = []
    /// Whether it says more than that endpoints were counted.
    var isNews = false
    /// Whether releases that had no route left may have one again.
    var routesChanged = false
  }

  /// What is served in place of a release's weight; nothing where it is served as set.
  struct Spill: Sendable {
    var release: String
    /// The release's own, that this is about.
    var revision: UInt64
    var weight: Weight?
    var reason: String

    init(of release: Release, _ served: Served) {
      (self.release, revision, weight) = (release.id, release.revision, served.spilled)
      reason = served.note ?? "the subsets can carry their shares again"
    }
  }

  /// What is served of a release.
  struct Served: Sendable {
    var weight: Weight
    /// What a guard rail says; nil if nothing.
    var note: String?
    /// The generation since which it is served so.
    var generation: UInt64
    /// `weight`, where that, or whom rules lead to, is not as set.
    var spilled: Weight?
    fileprivate var overlay: ReleaseOverlay
  }

  private var releases: [NamespacedName: [String: Release]] = [:]
  private var overlays: [NamespacedName: [ReleaseOverlay]] = [:]
  private var served: [String: Served] = [:]
  /// Services of releases that have no route left to divide, and are to hear of new ones.
  private var awaitingRoutes: Set<NamespacedName> = []
  /// Whether guard rails look at endpoints: not before all sources have been read, for until then nobody is there.
  private var isGuarded = false

  /// Nil for a release that is not in force.
  subscript(id: String) -> Served? { served[id] }

  /// Takes releases as they are now, and tells the compiler, as one change.
  mutating func set(_ changed: [Release], in compiler: TrafficCompiler) -> [Notice] {
    var edits: [Edit] = []
    for release in changed {
      releases[release.service, default: [:]][release.id] = release.state.isInForce ? release : nil
      if releases[release.service]?.isEmpty == true { releases[release.service] = nil }
      if !release.state.isInForce { served[release.id] = nil }
      edits += release.previewEdits
    }
    return settle(Set(changed.map(\.service)), edits, in: compiler)
  }

  /// What is served of a release now, in place of its weight or as set.
  func spill(of release: Release) -> Spill? {
    isGuarded ? served[release.id].map { Spill(of: release, $0) } : nil
  }

  mutating func awaitRoutes(of release: Release) { awaitingRoutes.insert(release.service) }

  /// Tells those who wait for routes that these have changed.
  mutating func routesChanged() -> [Notice] {
    defer { awaitingRoutes = [] }
    return awaitingRoutes.sorted().map { Notice(service: $0, isNews: true, routesChanged: true) }
  }

  /// Looks at released services whose endpoints have changed, and tells the compiler what guard rails make of it.
  mutating func settleCapacities(in compiler: TrafficCompiler) -> [Notice] {
    let services = compiler.takeChangedCapacities()
    return services.isEmpty ? [] : settle(services, [], in: compiler)
  }

  /// All endpoints are known from now on.
  mutating func guardAll(in compiler: TrafficCompiler) -> [Notice] {
    isGuarded = true
    return settle(Set(releases.keys), [], in: compiler)
  }

  private mutating func settle(
    _ services: Set<NamespacedName>, _ edits: [Edit], in compiler: TrafficCompiler
  ) -> [Notice] {
    var notices: [Notice] = []
    var told: [NamespacedName: [ReleaseOverlay]] = [:]
    var changed: [String] = []
    for service in services.sorted() {
      var notice = Notice(service: service)
      var wanted: [ReleaseOverlay] = []
      for release in (releases[service] ?? [:]).values.sorted(by: { $0.id < $1.id }) {
        let guarded =
          isGuarded
          ? release.guarded(compiler.capacity(of: release)) : (overlay: release.overlay, event: nil, note: nil)
        guard let overlay = guarded.overlay else { continue }
        wanted.append(overlay)
        let spilled = overlay == release.overlay ? nil : overlay.weight
        if served[release.id]?.overlay != overlay { changed.append(release.id) }
        let now = Served(
          weight: overlay.weight, note: guarded.note,
          generation: served[release.id]?.generation ?? compiler.generation.number, spilled: spilled, overlay: overlay)
        served[release.id] = now
        guard isGuarded else { continue }
        notice.spills.append(Spill(of: release, now))
        if let event = guarded.event { notice.events.append((release.id, event, guarded.note ?? "")) }
        if guarded.event != nil || spilled != release.spilled { notice.isNews = true }
      }
      if wanted != overlays[service] ?? [] {
        overlays[service] = wanted.isEmpty ? nil : wanted
        told[service] = wanted
      }
      notices.append(notice)
    }
    if !told.isEmpty || !edits.isEmpty {
      let former = compiler.generation.number
      var generation = compiler.apply(edits, releases: told).number
      // Each change has a number of its own, also where no route, or no proxy that has routes, shows it.
      if generation == former, !changed.isEmpty { generation = compiler.renumber().number }
      // Another release of the service, for another port, is served as before.
      for id in changed { served[id]?.generation = generation }
    }
    _ = compiler.takeChangedCapacities()
    return notices
  }
}

extension TrafficCompiler {
  /// The ready endpoints of a release's subsets, as they are declared now, or else as they were when it started.
  func capacity(of release: Release) -> ReleaseCapacity {
    func ready(_ subset: DestinationRule.Subset) -> Int {
      let labels = (declaredSubset(subset.name, of: release.service) ?? subset).labels
      return readyEndpoints(of: release.service, port: release.spec.port, labels: labels)
    }
    return ReleaseCapacity(stable: ready(release.stable), candidate: ready(release.candidate))
  }
}

extension Release {
  var previewID: NamespacedName { NamespacedName(previewOf: id, namespace: service.namespace) }

  /// A preview host is a VirtualService of its own.
  fileprivate var previewEdits: [Edit] {
    guard spec.previewHost != nil else { return [] }
    let id = previewID
    guard let previewHost else { return [.delete(ObjectKey(.virtualService, id))] }
    let destination = RouteDestination(
      host: "\(service.name).\(service.namespace)", subset: candidate.name, port: spec.port)
    return [
      .upsert(
        .virtualService(
          VirtualService(
            id: id, hosts: [previewHost], http: [HTTPRoute(name: "preview", destinations: [destination])])))
    ]
  }
}
