internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// The inside of a `ConstantLoad`. Confined to its event loop.
final class LoadEngine {
  private struct Waiter {
    var id: Int
    var matches: @Sendable (LoadResult) -> Bool
    var promise: EventLoopPromise<LoadResult>
    var limit: Scheduled<Void>
  }

  private let plan: ConstantLoad.Plan
  private let ip: String
  private let port: Int
  private let loop: any EventLoop
  private var report = LoadReport()
  private var began = NIODeadline.now()
  private var issued = 0
  /// Requests that are due and have no connection yet.
  private var waiting: CircularBuffer<(LoadTarget, due: NIODeadline)> = []
  private var idle: [LoadConnection] = []
  private var connections: [ObjectIdentifier: LoadConnection] = [:]
  private var connecting = 0
  private var waiters: [Waiter] = []
  private var nextWaiter = 0
  private var tick: RepeatedTask?
  private var sweep: RepeatedTask?
  private var isStopping = false
  private var stopped: EventLoopPromise<LoadReport>?

  init(plan: ConstantLoad.Plan, ip: String, port: Int, loop: any EventLoop) {
    self.plan = plan
    self.ip = ip
    self.port = port
    self.loop = loop
  }

  func start() {
    began = .now()
    let bound = NIOLoopBound(self, eventLoop: loop)
    switch plan.pace {
    case .perSecond(let rate):
      let interval = TimeAmount.nanoseconds(max(1_000_000, 1_000_000_000 / Int64(max(1, rate))))
      tick = loop.scheduleRepeatedTask(initialDelay: .zero, delay: interval) { _ in
        bound.value.issueWhatIsDue(rate: rate)
      }
    case .closedLoop:
      for _ in 0..<plan.connections { issue(due: .now()) }
    }
    // One sweep for all, for a timer for each request would cost more than the request.
    sweep = loop.scheduleRepeatedTask(initialDelay: .milliseconds(50), delay: .milliseconds(50)) { _ in
      bound.value.failOverdue()
    }
  }

  func currentReport() -> LoadReport {
    var report = self.report
    report.duration = .nanoseconds((NIODeadline.now() - began).nanoseconds)
    return report
  }

  /// Issues nothing more; the promise is kept when all that was issued has ended.
  func stop() -> EventLoopFuture<LoadReport> {
    tick?.cancel()
    isStopping = true
    let promise = loop.makePromise(of: LoadReport.self)
    stopped = promise
    finishIfDone()
    return promise.futureResult
  }

  func next(
    _ what: String, within limit: Duration, where matches: @escaping @Sendable (LoadResult) -> Bool
  ) -> EventLoopFuture<LoadResult> {
    nextWaiter += 1
    let id = nextWaiter
    let promise = loop.makePromise(of: LoadResult.self)
    let bound = NIOLoopBound(self, eventLoop: loop)
    let timer = loop.scheduleTask(in: .nanoseconds(limit.wholeNanoseconds)) {
      bound.value.waiters.removeAll { $0.id == id }
      let report = bound.value.currentReport()
      promise.fail(HarnessError(.timeout, "\(what): not within \(limit); \(report.summary)\n\(report.failureList)"))
    }
    waiters.append(Waiter(id: id, matches: matches, promise: promise, limit: timer))
    return promise.futureResult
  }

  private func issueWhatIsDue(rate: Int) {
    let now = NIODeadline.now()
    let due = Int(Double((now - began).nanoseconds) / 1e9 * Double(rate)) + 1
    while issued < due {
      issue(due: began + .nanoseconds(Int64(Double(issued) / Double(rate) * 1e9)))
    }
  }

  private func issue(due: NIODeadline) {
    let target = plan.targets[issued % plan.targets.count]
    issued += 1
    if let connection = idle.popLast() {
      connection.send(target, due: due)
    } else {
      waiting.append((target, due))
      connectIfNeeded()
    }
  }

  private func connectIfNeeded() {
    guard connections.count + connecting < plan.connections, connecting < waiting.count else { return }
    connecting += 1
    report.connections += 1
    let bound = NIOLoopBound(self, eventLoop: loop)
    let loop = self.loop
    ClientBootstrap(group: loop)
      .connectTimeout(.nanoseconds(plan.timeout.wholeNanoseconds))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let connection = LoadConnection(engine: bound.value)
          try channel.pipeline.syncOperations.addHTTPClientHandlers()
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
      .connect(host: ip, port: port)
      .whenFailure { error in bound.value.connectFailed(error) }
  }

  private func connectFailed(_ error: any Error) {
    connecting -= 1
    // The request that asked for the connection fails with it; a refused load must not look like a quiet one.
    guard let (target, due) = waiting.popFirst() else { return }
    let now = NIODeadline.now()
    ended(
      LoadResult(
        target: target, status: 0, backend: "", version: "", due: due, sent: now, finished: now,
        failure: "connect: \(error)"))
    connectIfNeeded()
    finishIfDone()
  }

  // MARK: Events of connections

  func opened(_ connection: LoadConnection) {
    connecting -= 1
    connections[ObjectIdentifier(connection)] = connection
    isFree(connection)
  }

  func isFree(_ connection: LoadConnection) {
    if let (target, due) = waiting.popFirst() {
      connection.send(target, due: due)
    } else if isStopping {
      connection.close()
    } else {
      idle.append(connection)
    }
  }

  func closed(_ connection: LoadConnection) {
    connections[ObjectIdentifier(connection)] = nil
    idle.removeAll { $0 === connection }
    connectIfNeeded()
    finishIfDone()
  }

  func ended(_ result: LoadResult) {
    report.add(result, began: began)
    var kept: [Waiter] = []
    for waiter in waiters {
      if waiter.matches(result) {
        waiter.limit.cancel()
        waiter.promise.succeed(result)
      } else {
        kept.append(waiter)
      }
    }
    waiters = kept
    if plan.pace == .closedLoop, !isStopping {
      if result.status == 0 {
        // Against a closed port a closed loop would spin.
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(5)) {
          if !bound.value.isStopping { bound.value.issue(due: .now()) }
        }
      } else {
        waiting.append((plan.targets[issued % plan.targets.count], .now()))
        issued += 1
      }
    }
  }

  /// Called after `ended`, once the connection is free or gone.
  func finishIfDone() {
    guard isStopping, let promise = stopped, report.requests == issued else { return }
    stopped = nil
    sweep?.cancel()
    promise.succeed(currentReport())
    for connection in idle { connection.close() }
    for waiter in waiters {
      waiter.limit.cancel()
      waiter.promise.fail(HarnessError(.timeout, "the load has ended"))
    }
    waiters = []
  }

  private func failOverdue() {
    let limit = NIODeadline.now() - .nanoseconds(plan.timeout.wholeNanoseconds)
    for connection in Array(connections.values) { connection.failIfSent(before: limit) }
    while let (target, due) = waiting.first, due < limit {
      waiting.removeFirst()
      let now = NIODeadline.now()
      ended(
        LoadResult(
          target: target, status: 0, backend: "", version: "", due: due, sent: now, finished: now,
          failure: "no free connection within \(plan.timeout)"))
      finishIfDone()
    }
  }
}

/// Counts on one event loop; the lock is never contended.
struct LoopCounter: Sendable {
  private let value = NIOLockedValueBox(0)

  func increment() -> Int {
    value.withLockedValue {
      $0 += 1
      return $0
    }
  }
}
