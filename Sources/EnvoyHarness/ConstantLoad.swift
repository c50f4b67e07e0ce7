internal import NIOCore
internal import NIOPosix

/// A steady stream of HTTP/1.1 requests, on connections kept alive, that counts every answer: what shows that a change
/// has cost no request.
///
///     let (_, report) = try await ConstantLoad.run(plan) { load in
///       try manifests.write(...)
///       try await load.next(within: .seconds(5)) { $0.backend == "new" }
///     }
///     #expect(report.failed == 0)
///
/// Nothing is retried: a request that meets a closing connection counts as failed. All of it lives on one event loop, so
/// that it takes no more than one core.
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

    public init(
      address: String, targets: [LoadTarget], pace: Pace = .perSecond(300), connections: Int = 8,
      timeout: Duration = .seconds(5)
    ) {
      self.address = address
      self.targets = targets
      self.pace = pace
      self.connections = connections
      self.timeout = timeout
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
  /// - Throws: what `body` throws; the load is stopped then too.
  public static func run<Value>(
    _ plan: Plan, isolation: isolated (any Actor)? = #isolation,
    while body: (ConstantLoad) async throws -> Value
  ) async throws -> (value: Value, report: LoadReport) {
    let loop = group.next()
    let address = try HTTPCall.split(plan.address)
    let engine = try await loop.submit {
      let engine = LoadEngine(plan: plan, ip: address.ip, port: address.port, loop: loop)
      engine.start()
      return NIOLoopBound(engine, eventLoop: loop)
    }.get()
    let load = ConstantLoad(loop: loop, engine: engine)
    do {
      let value = try await body(load)
      return (value, try await load.stop())
    } catch {
      _ = try? await load.stop()
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
