internal import Admission
internal import Logging
internal import ManifestSource
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
/// Everything runs in the order in which it came; while a batch is worked on, the next ones wait.
actor Pipeline {
  private var gate: AdmissionGate
  private let compiler: TrafficCompiler
  private let store: (any AdmittedStore)?
  private let server: XDSServer
  private let metrics: PipelineMetrics
  private let logger: Logger
  private var storeProblems: [Problem]
  private var isSynced = false

  /// - Parameter stored: what the store had kept; it is admitted until the sources say otherwise.
  init(
    clusterDomain: String, store: (any AdmittedStore)?, stored: StoredObjects, server: XDSServer,
    metrics: PipelineMetrics, logger: Logger
  ) {
    gate = AdmissionGate(clusterDomain: clusterDomain)
    gate.restore(stored.objects)
    compiler = TrafficCompiler(clusterDomain: clusterDomain)
    storeProblems = stored.problems
    self.store = store
    self.server = server
    self.metrics = metrics
    self.logger = logger
  }

  /// Takes in a batch. After the first complete scan, and never before, the result is served.
  func take(_ batch: SourceBatch) {
    let clock = ContinuousClock()
    let start = clock.now
    let change = gate.apply(batch.updates, isInitialScan: batch.isInitialScan)
    keep(change)
    let admitted = clock.now
    let generation = compiler.apply(change.edits)
    metrics.compileTime.record(clock.now - admitted)
    if batch.isInitialScan { isSynced = true }
    serve(generation)
    metrics.ingestTime.record(clock.now - start)
    metrics.edits.increment(by: UInt64(change.edits.count))
    report(batch)
  }

  /// Makes and serves what the proxies of a class need.
  func add(_ proxyClass: ProxyClass) {
    serve(compiler.addClass(proxyClass))
  }

  /// Forgets a class that no proxy belongs to any longer.
  func remove(_ proxyClass: ProxyClass) {
    serve(compiler.removeClass(proxyClass))
  }

  /// Everything that is wrong now: with the input, with the admitted objects taken together, with the state directory.
  var problems: [Problem] { storeProblems + gate.problems + compiler.problems }

  private func serve(_ generation: Generation) {
    guard isSynced else { return }
    server.publish(generation)
    metrics.generation.set(Int(generation.number))
  }

  /// Durable before it is served: what a proxy has seen survives a restart. A store that fails does not stop the traffic;
  /// it is a problem until a later change could be kept.
  private func keep(_ change: AdmissionChange) {
    guard let store else { return }
    do {
      try store.apply(stored: change.stored, deleted: change.deleted)
    } catch {
      metrics.storeFailures.increment()
      logger.error("the admitted objects could not be kept", metadata: ["error": "\(error)"])
      storeProblems = [
        Problem(.warning, at: nil, "the admitted objects could not be kept across a restart: \(error)")
      ]
    }
  }

  private func report(_ batch: SourceBatch) {
    let found = problems
    let errors = found.count { $0.severity == .error }
    metrics.errors.set(errors)
    metrics.warnings.set(found.count - errors)
    for update in batch.updates {
      guard case .documents(let documents, _, let fileProblems) = update.content else { continue }
      for problem in fileProblems + documents.flatMap(\.problems) {
        logger.log(level: problem.severity == .error ? .error : .warning, "problem", metadata: ["what": "\(problem)"])
      }
    }
  }
}
