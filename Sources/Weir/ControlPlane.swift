internal import AdminServer
internal import Admission
internal import EnvoyBootstrap
internal import Foundation
internal import GRPCTransport
public import Logging
internal import ManifestSource
internal import NIOCore
internal import NIOPosix
internal import ReleaseControl
internal import ReleaseStores
internal import StateStore
internal import Synchronization
internal import Telemetry
public import TrafficModel
public import XDSServer
internal import XDSSnapshot

/// A whole control plane in this process: reads the sources, compiles, and serves proxies over xDS.
///
/// ```swift
/// let plane = try await ControlPlane.start(.init(manifests: ["manifests"]), logger: logger)
/// print("proxies connect to \(plane.xdsAddress)")
/// await plane.drain(within: .seconds(5))
/// ```
public final class ControlPlane: Sendable {
  /// Where proxies connect, in the configuration's order.
  public let listeners: [XDSListener.Bound]
  /// The first of them, as `HOST:PORT`, or a socket's path; empty if there is none.
  public var xdsAddress: String { listeners.first?.address ?? "" }
  /// Where the admin server listens; nil if there is none.
  public let adminAddress: String?

  private let loops: EventLoops
  private let grpc: GRPCServer
  let xds: XDSServer
  let pipeline: Pipeline
  let controller: ReleaseController
  private let webhooks: WebhookService?
  private let releaseFile: SQLiteReleaseStore?
  private let admin: AdminHTTPServer?
  private let tasks: [Task<Void, any Error>]
  private let known: KnownProxies
  /// Whether proxies are answered.
  private let isReady: Flag

  private init(
    listeners: [XDSListener.Bound], adminAddress: String?, loops: EventLoops, grpc: GRPCServer,
    xds: XDSServer,
    pipeline: Pipeline, controller: ReleaseController, webhooks: WebhookService?,
    releaseFile: SQLiteReleaseStore?, admin: AdminHTTPServer?,
    tasks: [Task<Void, any Error>], known: KnownProxies, isReady: Flag
  ) {
    self.listeners = listeners
    self.adminAddress = adminAddress
    self.loops = loops
    self.grpc = grpc
    self.xds = xds
    self.pipeline = pipeline
    self.controller = controller
    self.webhooks = webhooks
    self.releaseFile = releaseFile
    self.admin = admin
    self.tasks = tasks
    self.known = known
    self.isReady = isReady
  }

  /// Starts a control plane, and returns when the sources have been read once and proxies are answered. It listens before
  /// that, so that a slow first scan shows as "not ready" and not as "not there".
  ///
  /// - Throws: ``ControlPlaneError`` if an address cannot be bound or a certificate cannot be used; an error if the state
  ///   directory cannot be used, or the manifests cannot be watched.
  public static func start(_ configuration: ControlPlaneConfiguration, logger: Logger) async throws -> ControlPlane {
    var cleanup = StartCleanup()
    do {
      return try await start(configuration, logger, &cleanup)
    } catch {
      await cleanup.run()
      throw error
    }
  }

  private static func start(
    _ configuration: ControlPlaneConfiguration, _ logger: Logger, _ cleanup: inout StartCleanup
  ) async throws -> ControlPlane {
    var stored = StoredObjects()
    let store = try configuration.state.map { try SQLiteStore(directory: $0) }
    if let store { stored = try store.load(decode: ManifestDecoder.decodeStored) }

    let continuity = try (configuration.releaseState ?? configuration.state).map { try ContinuityStore(directory: $0) }
    let before = try continuity?.load() ?? Continuity()
    stored.problems += before.problems
    let known = KnownProxies(continuity, before, now: UInt64(Date().timeIntervalSince1970), logger: logger)
    known.begin()
    cleanup.add { known.close() }

    let registry = MetricsRegistry()
    let classChanges = ClassChanges()
    let metrics = XDSMetricsView(registry)
    let limits = configuration.limits
    let transport = limits.grpc
    let loops = await EventLoops.start(count: configuration.eventLoops, logger: logger)
    cleanup.add { await loops.shutDown() }
    // What nodes say of themselves is theirs to choose, and so would be the number of lines.
    let nodeLog = LogBudget()
    let xds = XDSServer(
      logger: logger, latencies: metrics.latencies, limits: limits.xds, memory: transport.memory,
      delivery: configuration.virtualHosts.delivery,
      takesLoneEndpoints: { [threshold = configuration.loneEndpointsFrom] node in
        threshold > 0 && ProxyClassifier.takesPortions(node)
      },
      departureMemory: configuration.departureTime, largeRequests: loops.forLargeRequests,
      classify: { [virtualHosts = configuration.virtualHosts, onDemand = configuration.fetchesClusters] node in
        let classification = ProxyClassifier.classify(node.metadata)
        for note in classification.notes {
          guard let keptBack = nodeLog.take() else { break }
          logger.warning(
            "node metadata",
            metadata: ["node": "\(node.id.prefix(256))", "note": "\(note)", "lines-kept-back": "\(keptBack)"])
        }
        var proxyClass = classification.proxyClass
        proxyClass.fetchesClusters = ProxyClassifier.fetchesClusters(node, default: onDemand)
        // With both, an Envoy asks for a host that it does not know, and keeps the request until there is one.
        proxyClass.takesVirtualHosts =
          virtualHosts != .never && !proxyClass.fetchesClusters && ProxyClassifier.takesPortions(node)
        return proxyClass
      },
      onNewClass: { classChanges.note($0, isHere: true) }, onClassGone: { classChanges.note($0, isHere: false) },
      onKnownProxy: { known.note($0, $1) })
    xds.restore(known.before.map(\.proxy))
    if known.mayHaveStrangers { xds.expectStrangers() }
    let releaseFile = try (configuration.releaseState ?? configuration.state).map {
      try SQLiteReleaseStore(directory: $0)
    }
    let releaseStore: any ReleaseStore = releaseFile ?? MemoryReleaseStore()
    let webhooks =
      configuration.webhooks.webhooks.isEmpty
      ? nil : WebhookService.start(configuration.webhooks, store: releaseStore, registry: registry, logger: logger)
    if let webhooks { cleanup.add { await webhooks.stop() } }
    let kept = try await ReleaseController.load(from: releaseStore)
    stored.problems += kept.problems
    let (notices, notice) = AsyncStream.makeStream(of: ReleasedServices.Notice.self)
    let pipeline = Pipeline(
      clusterDomain: configuration.clusterDomain, loneEndpointsFrom: configuration.loneEndpointsFrom, store: store,
      stored: stored, releases: kept.releases, onReleaseNotice: { notice.yield($0) }, server: xds,
      metrics: PipelineMetrics(registry), logger: logger, changes: configuration.changes,
      generationsBegin: known.generationsBegin, onGeneration: { known.note(generation: $0) },
      onPlaces: { known.note(slices: $0) })
    let controller = ReleaseController(
      pipeline: pipeline, store: releaseStore, kept: kept, server: xds, clock: .system,
      clusterDomain: configuration.clusterDomain, logger: logger, webhooks: webhooks?.webhooks)
    let isReady = Flag()
    let view = AdminView(
      xds: xds, pipeline: pipeline, isReady: isReady, metrics: metrics, controller: controller)

    let grpc = GRPCServer(
      group: loops.proxies, lowPriorityGroup: loops.distrusted, configuration: transport, logger: logger,
      // That thread waits in the system, so that nobody can ask it for them.
      crowdIsOver: { ThreadCache.giveBack([ThreadCache.take()]) },
      accept: { xds.accept($0) })
    GRPCMetricsView.register(grpc, transport.memory, limits, in: registry)
    cleanup.add { await grpc.shutdown(gracePeriod: .zero) }
    var timing = configuration.certificateTiming
    // One limit, whatever the handshake is made of.
    timing.handshakeLimit = TimeAmount(limits.handshakeTime)
    let listeners = try await Listeners.bind(
      configuration.listeners, to: grpc, timing: timing,
      drainsUntrusted: configuration.drainsUntrustedClients, registry: registry, logger: logger)
    var admin: AdminHTTPServer?
    if let address = configuration.admin {
      let server = try await AdminHTTPServer.start(
        host: address.host, port: UInt16(address.port), source: view, metrics: registry, logger: logger,
        token: try configuration.adminToken.map { try BearerToken(file: $0) })
      cleanup.add { await server.shutdown() }
      admin = server
    }

    let source = ManifestSource(directories: configuration.manifests, logger: logger)
    let (synced, sync) = AsyncThrowingStream.makeStream(of: Void.self)
    let reading = Task {
      do {
        try await pipeline.read(source) { if $0.isInitialScan { sync.finish() } }
      } catch {
        sync.finish(throwing: error)
        throw error
      }
    }
    let classes = Task<Void, any Error> {
      for await _ in classChanges.news {
        for change in classChanges.take() {
          if change.isHere { await pipeline.add(change.proxyClass) } else { await pipeline.remove(change.proxyClass) }
        }
      }
    }
    let guarding = Task<Void, any Error> {
      for await notice in notices { await controller.take(notice) }
    }
    let keeping = Task<Void, any Error> {
      await known.run { arrived, forgotten in
        await pipeline.follow(arrived.map { (proxy: $0, slices: []) }, unfollowing: forgotten)
      }
    }
    HeapReturn.keepLargeBlocksApart()
    let trimming = Task<Void, any Error> {
      var heap = HeapReturn()
      // Ends with its cancellation, which is no failure.
      while (try? await Task.sleep(for: HeapReturn.interval)) != nil {
        xds.forgetUnused()
        let open = grpc.connectionCount
        let closed = grpc.acceptedConnectionCount - open
        let reading = HeapReturn.Reading(
          connections: open, bytes: transport.memory.bytes, classes: xds.generation?.classes.count ?? 0)
        guard heap.hasDropped(to: reading, closed: closed) else { continue }
        await xds.letGo()
        await loops.giveMemoryBack(with: [pipeline.takeThreadCache()])
      }
    }
    let watching = listeners.certificates.map { certificates in
      Task<Void, any Error> { await certificates.watch() }
    }
    cleanup.add {
      reading.cancel()
      classes.cancel()
      for task in watching { task.cancel() }
      guarding.cancel()
      trimming.cancel()
      keeping.cancel()
      _ = await reading.result
    }
    for try await _ in synced {}
    try Task.checkCancellation()
    await pipeline.follow(known.before)
    isReady.set(true)
    await controller.run()
    return ControlPlane(
      listeners: listeners.bound, adminAddress: admin?.address, loops: loops, grpc: grpc, xds: xds, pipeline: pipeline,
      controller: controller, webhooks: webhooks, releaseFile: releaseFile, admin: admin,
      tasks: [reading, classes, trimming, guarding, keeping] + watching, known: known, isReady: isReady)
  }

  /// Returns when the control plane has stopped.
  /// - Throws: what stopped it, if that was not `drain(within:)`.
  public func waitUntilStopped() async throws {
    // The source is the part that can fail while running; after draining it has ended without an error.
    for task in tasks { try await task.value }
  }

  /// Stops in an orderly way: says "not ready", refuses new streams, ends the open ones so that their proxies look for
  /// another server and go on with what they hold, and returns at the latest after the time.
  public func drain(within time: Duration) async {
    isReady.set(false)
    await controller.stop()
    await webhooks?.stop()
    await grpc.shutdown(gracePeriod: TimeAmount(time))
    for task in tasks { task.cancel() }
    for task in tasks { _ = await task.result }
    await known.finish()
    known.close()
    await admin?.shutdown()
    await loops.shutDown()
    // Whoever starts the next one may do so while somebody still holds a release of this one.
    await releaseFile?.close()
  }

  /// The releases: canaries, blue-green switches, and whatever else moves a service from one version to another.
  public var releases: Releases { Releases(controller) }

  /// Every connected proxy and what it holds, by node id.
  public func proxies() async -> [ProxyStatus] { await xds.proxies() }

  /// Everything that is wrong with the input now.
  public func problems() async -> [Problem] { await pipeline.problems }

  /// What a control plane would say of some directories, without serving.
  public static func check(directories: [String], clusterDomain: String = "cluster.local") -> [Problem] {
    Dryrun.problems(of: ManifestSource.scanOnce(directories: directories), clusterDomain: clusterDomain)
  }
}

extension ControlPlaneConfiguration.VirtualHosts {
  fileprivate var delivery: VirtualHostDelivery {
    if case .automatic(let threshold) = self { .automatic(threshold: threshold) } else { .always }
  }
}

/// What has been started so far, to be stopped in the opposite order if the start fails.
private struct StartCleanup {
  private var steps: [@Sendable () async -> Void] = []

  mutating func add(_ step: @escaping @Sendable () async -> Void) { steps.append(step) }

  func run() async {
    for step in steps.reversed() { await step() }
  }
}

/// Whether something is so, for any thread.
final class Flag: Sendable {
  private let flag = Atomic(false)
  var value: Bool { flag.load(ordering: .acquiring) }
  func set(_ value: Bool) { flag.store(value, ordering: .releasing) }
}
