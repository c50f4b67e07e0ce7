internal import NIOCore
internal import NIOPosix

/// A steady stream of HTTP/1.1 requests, on connections kept alive, that counts every answer: what shows that a change
/// has cost no request.
///
///     let (_, report) = try await ConstantLoad.run(plan) { load in
///       try manifests.write(...)
///       try await load.next(within: .seconds(5)) { $0.backend == "new" }
///     }
///     #expect(report.complaints.isEmpty)
///
/// The load retries nothing: a request that meets a closing connection counts as failed. What Envoy retries is seen in
/// its counters, for which the plan must name the Envoy. All of it lives on one event loop, so that it takes no more than
/// one core.
///
/// With a rate, requests are due at fixed times from the start, whatever the answers do, and the latency reported is from
/// the moment a request was *due*: one that had to wait for a free connection, or for the load's own thread on a busy
/// machine, counts its wait, and a stall shows in every request that it held up (no coordinated omission). The report
/// has the time from *sending* beside it: where the two are far apart, requests waited to be sent; where both are large,
/// Envoy or a backend was slow. A closed loop has no times due, so there a stall shows in one request for each
/// connection, and the percentiles say less.
public final class ConstantLoad: Sendable {
  /// How requests follow each other.
  public enum Pace: Sendable, Hashable {
    /// That many a second in all, whatever the answers do. Latency counts from the moment a request was due.
    case perSecond(Int)
    /// Each connection sends its next request when it has its answer.
    case closedLoop
  }

  public struct Plan: Sendable {
    /// `IP:PORT` of Envoy's listener.
    public var address: String
    /// Taken in turn.
    public var targets: [LoadTarget]
    public var pace: Pace
    /// At most so many connections; with a closed loop, exactly so many.
    public var connections: Int
    /// After that long without a full answer a request has failed, and its connection is closed.
    public var timeout: Duration
    /// The Envoy that listens at `address`; its counters are then part of the report. nil leaves them out, for a load
    /// that goes straight to a backend or in which failures are made on purpose.
    public var envoy: EnvoyProcess?
    /// How often to look at the counters between the beginning and the end, for those that go with their cluster. nil
    /// is enough where no cluster goes, and costs Envoy's main thread nothing while the load runs.
    public var sampling: Duration?

    public init(
      address: String, targets: [LoadTarget], pace: Pace = .perSecond(300), connections: Int = 8,
      timeout: Duration = .seconds(5), envoy: EnvoyProcess? = nil, sampling: Duration? = .milliseconds(200)
    ) {
      self.address = address
      self.targets = targets
      self.pace = pace
      self.connections = connections
      self.timeout = timeout
      self.envoy = envoy
      self.sampling = sampling
    }
  }

  private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let loop: any EventLoop
  private let engine: NIOLoopBound<LoadEngine>

  private init(loop: any EventLoop, engine: NIOLoopBound<LoadEngine>) {
    self.loop = loop
    self.engine = engine
  }

  /// Drives the load while `body` runs, then lets the requests in flight end, and gives the exact counts.
  ///
  /// - Throws: what `body` throws; the load is stopped then too. ``HarnessError`` if Envoy's counters cannot be read.
  public static func run<Value>(
    _ plan: Plan, isolation: isolated (any Actor)? = #isolation,
    while body: (ConstantLoad) async throws -> Value
  ) async throws -> (value: Value, report: LoadReport) {
    let loop = group.next()
    let address = try HTTPCall.split(plan.address)
    var watch: TroubleWatch?
    if let envoy = plan.envoy { watch = try await TroubleWatch.begin(envoy, every: plan.sampling) }
    let engine = try await loop.submit {
      let engine = LoadEngine(plan: plan, ip: address.ip, port: address.port, loop: loop)
      engine.start()
      return NIOLoopBound(engine, eventLoop: loop)
    }.get()
    let load = ConstantLoad(loop: loop, engine: engine)
    do {
      let value = try await body(load)
      var report = try await load.stop()
      report.trouble = try await watch?.end()
      return (value, report)
    } catch {
      _ = try? await load.stop()
      _ = try? await watch?.end()
      throw error
    }
  }

  private func stop() async throws -> LoadReport {
    try await loop.flatSubmit { self.engine.value.stop() }.get()
  }

  /// The counts so far.
  public func report() async throws -> LoadReport {
    try await loop.submit { self.engine.value.currentReport() }.get()
  }

  /// The next request, of those that end from now on, that `matches`. `matches` runs on the load's event loop.
  ///
  /// - Throws: ``HarnessError`` `timeout`, naming `what`.
  @discardableResult
  public func next(
    _ what: String = "an answer", within limit: Duration = .seconds(20),
    where matches: @escaping @Sendable (LoadResult) -> Bool
  ) async throws -> LoadResult {
    try await loop.flatSubmit { self.engine.value.next(what, within: limit, where: matches) }.get()
  }

  /// Waits for `count` more requests to end, well or not: a stretch of load with nothing happening.
  public func pass(requests count: Int, within limit: Duration = .seconds(60)) async throws {
    let seen = LoopCounter()
    try await next("\(count) requests", within: limit) { _ in seen.increment() >= count }
  }
}
