import EnvoyAPI
import GRPCTransport
import NIOCore
import NIOPosix
import Synchronization
import XDSServer

/// All simulated proxies: a connection and a stream each, spread over a few event loops.
final class Fleet: Sendable {
  struct Plan: Sendable {
    var target: ListenAddress
    var variant: XDSProtocol
    var proxies: Int
    /// How many of them read slowly, and how long they rest after each message.
    var slowProxies = 0
    var slowPause: TimeAmount = .seconds(1)
    var keepsVersions = false
    var metadata: [String: MetadataValue] = [:]
    var nodePrefix = "weir-load"
    /// What the proxies say that they are.
    var userAgent = (name: "weir-load", version: "")
    var threads = 1
    /// Connections that are opened at the same time.
    var connectConcurrency = 64
  }

  private struct Seat: Sendable {
    var loop: NIOLoopBound<LoopFleet>
    var index: Int
    var isSlow: Bool
  }

  let plan: Plan
  private let group: MultiThreadedEventLoopGroup
  private let loops: [NIOLoopBound<LoopFleet>]
  private let seats: [Seat]
  private let clients = Mutex<[GRPCClient]>([])

  init(_ plan: Plan) async throws {
    self.plan = plan
    let group = MultiThreadedEventLoopGroup(numberOfThreads: plan.threads)
    self.group = group
    var loops: [NIOLoopBound<LoopFleet>] = []
    for eventLoop in group.makeIterator() {
      loops.append(
        try await eventLoop.submit { NIOLoopBound(LoopFleet(eventLoop: eventLoop), eventLoop: eventLoop) }.get())
    }
    self.loops = loops
    var seats: [Seat] = []
    for number in 0..<plan.proxies {
      let loop = loops[number % loops.count]
      // Spread evenly, so that both loops have their share.
      let isSlow = (number + 1) * plan.slowProxies / plan.proxies > number * plan.slowProxies / plan.proxies
      let index = try await loop.eventLoop.submit {
        loop.value.add(
          SimulatedProxy(
            variant: plan.variant,
            node: NodeIdentity(
              id: "\(plan.nodePrefix)-\(number)", cluster: plan.nodePrefix, metadata: plan.metadata,
              userAgentName: plan.userAgent.name, userAgentVersion: plan.userAgent.version),
            keepsVersions: plan.keepsVersions, firstClaim: number &* 7919),
          isSlow: isSlow)
      }.get()
      seats.append(Seat(loop: loop, index: index, isSlow: isSlow))
    }
    self.seats = seats
  }

  /// Opens every proxy's connection and stream, and returns when they are open; answers may still be on their way.
  func connect() async throws {
    for loop in loops { try await loop.eventLoop.submit { loop.value.setClosing(false) }.get() }
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for (number, seat) in seats.enumerated() {
        if number >= plan.connectConcurrency { try await tasks.next() }
        tasks.addTask { try await self.open(seat) }
      }
      try await tasks.waitForAll()
    }
  }

  private func open(_ seat: Seat) async throws {
    var configuration = GRPCClientConfiguration()
    // A full table of thousands of clusters is one message.
    configuration.maxMessageSize = 1 << 30
    configuration.prepareChannel = { seat.loop.value.connecting(seat.index, $0) }
    let client = try await GRPCClient.connect(
      to: plan.target, group: seat.loop.eventLoop, configuration: configuration)
    clients.withLock { $0.append(client) }
    let pause = seat.isSlow ? plan.slowPause : nil
    client.start(method: plan.variant.aggregatedMethod) { call in
      ProxyStream(call, index: seat.index, in: seat.loop.value, pause: pause)
    }
  }

  /// Drops every connection at once, as a server's death would.
  func disconnect() async throws {
    for loop in loops { try await loop.eventLoop.submit { loop.value.setClosing(true) }.get() }
    let closing = clients.withLock { clients in
      defer { clients = [] }
      return clients
    }
    await withTaskGroup(of: Void.self) { tasks in
      for client in closing { tasks.addTask { await client.close() } }
    }
  }

  /// Returns when every proxy that is no slow reader is in sync, or after the limit.
  /// - Returns: how long each took, from its stream's opening; fewer than there are proxies if the limit came first.
  func waitForSync(within limit: TimeAmount) async throws -> [TimeAmount] {
    try await all { $0.whenSynced(within: limit) }
    return try await gather { $0.syncTimes() }.flatMap { $0 }
  }

  struct RoundResult: Sendable {
    /// From the trigger to the first response, for each proxy that got one in time.
    var samples: [TimeAmount]
    var missing: Int
  }

  /// Triggers a change, and waits until each proxy that is no slow reader has received something, or the limit has passed.
  func round(
    _ number: Int, within limit: TimeAmount, trigger: @Sendable () async throws -> Void
  ) async throws -> RoundResult {
    let now = NIODeadline.now()
    for loop in loops { try await loop.eventLoop.submit { loop.value.beginRound(number, at: now) }.get() }
    try await trigger()
    try await all { $0.whenRoundEnds(within: limit) }
    let parts = try await gather { $0.roundResult() }
    return RoundResult(samples: parts.flatMap(\.samples), missing: parts.reduce(0) { $0 + $1.missing })
  }

  /// So many proxies stop reading their sockets.
  func stall(_ count: Int) async throws {
    var rest = count
    for (number, loop) in loops.enumerated() {
      let share = number == loops.count - 1 ? rest : rest / loops.count
      try await loop.eventLoop.flatSubmit { loop.value.stall(first: share) }.get()
      rest -= share
    }
  }

  /// They read again, and catch up. Whom the server has given up meanwhile connects again, as proxies do.
  ///
  /// - Returns: how many these are.
  func endStall(within limit: TimeAmount) async throws -> Int {
    for loop in loops { try await loop.eventLoop.flatSubmit { loop.value.readAgain() }.get() }
    try await Task.sleep(for: .seconds(1))
    var lost: [Seat] = []
    for loop in loops {
      let indices = try await loop.eventLoop.submit { loop.value.endStall() }.get()
      lost += seats.filter { $0.loop.eventLoop === loop.eventLoop && indices.contains($0.index) }
    }
    for seat in lost { try await open(seat) }
    if !lost.isEmpty { _ = try await waitForSync(within: limit) }
    return lost.count
  }

  func totals() async throws -> LoopFleet.Totals {
    try await gather { $0.totals() }.reduce(into: LoopFleet.Totals()) { $0 += $1 }
  }

  func shutdown() async throws {
    try await disconnect()
    try await group.shutdownGracefully()
  }

  private func all(_ wait: @escaping @Sendable (LoopFleet) -> EventLoopFuture<Void>) async throws {
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for loop in loops {
        tasks.addTask { try await loop.eventLoop.flatSubmit { wait(loop.value) }.get() }
      }
      try await tasks.waitForAll()
    }
  }

  private func gather<Part: Sendable>(_ read: @escaping @Sendable (LoopFleet) -> Part) async throws -> [Part] {
    var parts: [Part] = []
    for loop in loops { parts.append(try await loop.eventLoop.submit { read(loop.value) }.get()) }
    return parts
  }
}

extension XDSProtocol {
  /// The method of the aggregated stream.
  var aggregatedMethod: String {
    let name = self == .delta ? "DeltaAggregatedResources" : "StreamAggregatedResources"
    return "/envoy.service.discovery.v3.AggregatedDiscoveryService/\(name)"
  }
}
