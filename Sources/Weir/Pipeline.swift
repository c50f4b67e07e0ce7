internal import AdminServer
internal import Admission
internal import Foundation
internal import Logging
internal import ManifestSource
internal import ReleaseControl
internal import StateStore
internal import Telemetry
internal import TrafficCompiler
internal import TrafficModel
internal import XDSServer
internal import XDSSnapshot

/// The one owner of the gate and the compiler: what a source says goes in, a generation comes out and is published.
///
///     batch → gate (admitted edits) → state store (durable) → compiler (generation) → xDS server
///
/// Everything runs in the order in which it came, on a thread of its own; while a batch is worked on, the next ones wait. A
/// batch costs what it changes, whatever the number of objects and problems.
actor Pipeline {
  /// A class outlives its last proxy by so many sweeps, a minute, and up to one more: a proxy that reconnects finds its tables as
  /// they were. One sleeper for all classes: one for each would keep a kilobyte for each time that a class goes.
  static let sweepsOfGrace = 12
  static let sweepInterval = Duration.seconds(5)
  /// Classes without proxies that are kept at once. With one more the first that would be forgotten goes at once.
  static let mostLeaving = 256
  /// How long until a write to the state store that failed is tried again.
  static let retryDelay = Duration.seconds(1)

  private let thread = PipelineThread()
  nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

  private(set) var gate: AdmissionGate
  let clusterDomain: String
  let compiler: TrafficCompiler
  /// The releases in force.
  var released = ReleasedServices()
  /// Told what guard rails find, in the order in which it is found.
  let onReleaseNotice: @Sendable (ReleasedServices.Notice) -> Void
  /// Told in which slices proxies are endpoints.
  let onPlaces: @Sendable ([KnownProxy.Key: [String]]) -> Void
  /// Generations of this process have this number or a higher one; lower ones are of a process before.
  nonisolated let generationsBegin: UInt64
  private let onGeneration: @Sendable (UInt64) -> Void
  /// Which proxies are endpoints.
  var places = ProxyPlaces()
  private var journal: ChangeJournal
  private var keeper: Keeper?
  let server: XDSServer
  private let metrics: PipelineMetrics
  private let logger: Logger
  private let sleep: @Sendable (Duration) async throws -> Void
  /// What could not be read of the stored objects.
  private let loadProblems: [Problem]
  /// The classes of the process before this one whose proxies have not come back yet.
  private var expected: Set<ProxyClass>
  private var isSynced = false
  private var isRetrying = false
  /// Classes without proxies, and which sweep forgets each.
  private var leaving: [ProxyClass: Int] = [:]
  private var sweeps = 0
  private var isSweeping = false

  /// - Parameters:
  ///   - stored: what the store had kept; it is admitted until the sources say otherwise.
  ///   - releases: as they were kept; those in force shape what is served from the first generation on.
  ///   - changes: how many of the last changes are kept for those who ask why.
  ///   - generationsBegin: the number that generations count on from.
  ///   - onGeneration: told the number of each generation before it is served. Must not block.
  ///   - onPlaces: told in which EndpointSlices proxies are, where that has changed. Must not block.
  ///   - sleep: the clock.
  init(
    clusterDomain: String, loneEndpointsFrom: Int = 0, store: (any AdmittedStore)?, stored: StoredObjects,
    releases: [Release] = [], onReleaseNotice: @escaping @Sendable (ReleasedServices.Notice) -> Void = { _ in },
    server: XDSServer, metrics: PipelineMetrics, logger: Logger, changes: Int = 0, generationsBegin: UInt64 = 0,
    onGeneration: @escaping @Sendable (UInt64) -> Void = { _ in },
    onPlaces: @escaping @Sendable ([KnownProxy.Key: [String]]) -> Void = { _ in },
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) {
    self.clusterDomain = clusterDomain
    gate = AdmissionGate(clusterDomain: clusterDomain)
    gate.restore(stored.objects)
    self.generationsBegin = generationsBegin
    self.onGeneration = onGeneration
    self.onPlaces = onPlaces
    compiler = TrafficCompiler(
      clusterDomain: clusterDomain, loneEndpointsFrom: loneEndpointsFrom, generationsBegin: generationsBegin)
    journal = ChangeJournal(kept: changes)
    compiler.recordedSteps = changes > 0 ? ChangeJournal.stepsOfAChange : 0
    keeper = store.map(Keeper.init)
    loadProblems = stored.problems
    self.server = server
    self.metrics = metrics
    self.logger = logger
    self.sleep = sleep
    self.onReleaseNotice = onReleaseNotice
    expected = Set(stored.classes.compactMap(ProxyClass.init))
    if !stored.objects.isEmpty {
      // What the process before this one served: proxies come back with its versions, and what has gone since must outlive
      // their routes to it.
      for proxyClass in expected { compiler.addClass(proxyClass) }
      let edits = stored.objects.map { Edit.upsert($0.object) }
      compiler.apply(edits)
      // Nobody is followed yet.
      _ = places.take(edits)
    }
    released.set(releases, in: compiler).forEach(onReleaseNotice)
    if !stored.objects.isEmpty { server.remember(compiler.generation) }
    // Of what was restored nobody asks why.
    _ = compiler.takeChange()
  }

  /// Takes in what the source tells, until the task is cancelled.
  ///
  /// - Parameter onTaken: told of each batch when it is served.
  /// - Throws: if the source cannot be watched.
  nonisolated func read(_ source: ManifestSource, onTaken: @escaping @Sendable (SourceBatch) -> Void) async throws {
    try await source.run(on: thread) { batch in
      await self.take(batch)
      onTaken(batch)
    }
  }

  /// Takes in a batch. After the first complete scan, and never before, the result is served.
  func take(_ batch: SourceBatch) {
    let clock = ContinuousClock()
    let start = clock.now
    let change = gate.apply(batch.updates, isInitialScan: batch.isInitialScan)
    keep(StoreChange(stored: change.stored, deleted: change.deleted))
    let admitted = clock.now
    // The first change has the whole admitted set; what was restored and has gone since is only in `deleted`.
    let edits = batch.isInitialScan ? change.edits + change.deleted.map(Edit.delete) : change.edits
    compiler.apply(edits)
    var notices =
      batch.isInitialScan ? released.guardAll(in: compiler) : released.settleCapacities(in: compiler)
    if edits.contains(where: \.makesRoutes) { notices += released.routesChanged() }
    let generation = compiler.generation
    metrics.compileTime.record(clock.now - admitted)
    if batch.isInitialScan { isSynced = true }
    serve(generation)
    noteChange()
    for notice in notices { onReleaseNotice(notice) }
    // After what is served without their endpoints is served.
    tell(places.take(edits))
    if batch.isInitialScan {
      for proxyClass in expected { remove(proxyClass) }
    }
    metrics.edits.increment(by: UInt64(change.edits.count))
    report(change.newProblems + compiler.takeNewProblems())
    metrics.ingestTime.record(clock.now - start)
  }

  /// What its thread keeps of memory.
  func takeThreadCache() -> ThreadCache.Blocks { ThreadCache.take() }

  /// Makes and serves what the proxies of a class need.
  func add(_ proxyClass: ProxyClass) {
    leaving[proxyClass] = nil
    let wasExpected = expected.remove(proxyClass) != nil
    // Served, and kept in the store.
    if compiler.generation.classes[proxyClass] != nil { return }
    if !wasExpected { keep(StoreChange(arrived: [StoredProxyClass(proxyClass)])) }
    serve(compiler.addClass(proxyClass))
    noteChange()
  }

  /// Forgets, after a grace, a class that no proxy belongs to any longer.
  func remove(_ proxyClass: ProxyClass) {
    // It may have come and gone while a batch was worked on.
    guard compiler.generation.classes[proxyClass] != nil || expected.contains(proxyClass) else { return }
    // The next sweep may come at once.
    leaving[proxyClass] = sweeps + Self.sweepsOfGrace + (isSweeping ? 1 : 0)
    if leaving.count > Self.mostLeaving, let first = leaving.min(by: { $0.value < $1.value }) { forget(first.key) }
    guard !isSweeping else { return }
    isSweeping = true
    Task { [sleep] in
      while (try? await sleep(Self.sweepInterval)) != nil {
        guard sweep() else { return }
      }
    }
  }

  /// Forgets classes whose time is over. Returns whether others are left.
  private func sweep() -> Bool {
    sweeps += 1
    for (proxyClass, due) in leaving where due <= sweeps { forget(proxyClass) }
    isSweeping = !leaving.isEmpty
    return isSweeping
  }

  private func forget(_ proxyClass: ProxyClass) {
    leaving[proxyClass] = nil
    expected.remove(proxyClass)
    keep(StoreChange(departed: [StoredProxyClass(proxyClass)]))
    serve(compiler.removeClass(proxyClass))
    noteChange()
  }

  /// The last changes, the newest first.
  var changes: ChangeList { journal.list }

  /// After the change is on its way.
  func noteChange() {
    guard let change = compiler.takeChange() else { return }
    journal.add(change, at: Date()) { key in
      gate.admitted(key).map { "\($0.location.file):\($0.location.line)" }
    }
  }

  /// Everything that is wrong now: with the input, with the admitted objects taken together, with the state directory.
  /// In their order, `Problem.precedes`; costs n log n in their number.
  var problems: [Problem] {
    (loadProblems + (keeper?.problem.map { [$0] } ?? []) + gate.problems + compiler.problems)
      .sorted(by: Problem.precedes)
  }

  func serve(_ generation: Generation) {
    guard isSynced else { return }
    onGeneration(generation.number)
    server.publish(generation)
    metrics.generation.set(Int(generation.number))
  }

  /// Durable before it is served: what a proxy has seen survives a restart. A store that fails does not stop the traffic;
  /// it is a problem until all could be kept.
  private func keep(_ change: StoreChange) {
    do {
      try tellStore(change)
    } catch {
      metrics.storeFailures.increment()
      logger.error("admitted objects could not be kept", metadata: ["error": "\(error)"])
      retryKeeping()
    }
  }

  private func tellStore(_ change: StoreChange) throws {
    let wasLost = try keeper?.keep(change) {
      StoreChange(
        stored: gate.admittedObjects.sorted { $0.key < $1.key },
        arrived: compiler.generation.classes.keys.map(StoredProxyClass.init).sorted())
    }
    if wasLost == true { logger.warning("the state file was lost while it was in use, and has been written anew") }
  }

  private func retryKeeping() {
    guard !isRetrying else { return }
    isRetrying = true
    Task { [sleep] in
      while (try? await sleep(Self.retryDelay)) != nil {
        if keepAgain() { return }
      }
    }
  }

  private func keepAgain() -> Bool {
    do {
      try tellStore(StoreChange())
    } catch {
      metrics.storeFailures.increment()
      return false
    }
    isRetrying = false
    logger.notice("admitted objects are kept again")
    count()
    return true
  }

  private func report(_ new: [Problem]) {
    for problem in new {
      logger.log(level: problem.severity == .error ? .error : .warning, "problem", metadata: ["what": "\(problem)"])
    }
    count()
  }

  private func count() {
    let found = gate.problemCounts
    metrics.errors.set(found.errors)
    // The compiler and the state store only warn.
    let others = compiler.problemCount + loadProblems.count + (keeper?.problem == nil ? 0 : 1)
    metrics.warnings.set(found.warnings + others)
  }
}

extension Edit {
  /// Whether a release may have a route to divide after it that it had not before.
  fileprivate var makesRoutes: Bool {
    switch self {
    case .upsert(.virtualService), .upsert(.service): true
    case .upsert: false
    case .delete(let key): key.kind == .virtualService
    }
  }
}

extension StoredProxyClass {
  init(_ proxyClass: ProxyClass) {
    self.init(
      kind: proxyClass.kind.rawValue, namespace: proxyClass.namespace, listenHost: proxyClass.listenHost,
      listenPort: proxyClass.listenPort, takesVirtualHosts: proxyClass.takesVirtualHosts,
      fetchesClusters: proxyClass.fetchesClusters)
  }
}

extension ProxyClass {
  /// Nil for a kind that is not known any longer.
  init?(_ stored: StoredProxyClass) {
    guard let kind = Kind(rawValue: stored.kind) else { return nil }
    self.init(
      kind: kind, namespace: stored.namespace, listenHost: stored.listenHost, listenPort: stored.listenPort,
      takesVirtualHosts: stored.takesVirtualHosts, fetchesClusters: stored.fetchesClusters)
  }
}
