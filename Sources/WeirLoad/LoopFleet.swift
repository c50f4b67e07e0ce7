import GRPCTransport
import NIOCore

/// The simulated proxies of one event loop, and what was measured on it. Confined to the loop.
final class LoopFleet {
  struct Totals: Sendable {
    var streams = 0
    var messages = 0
    var resources = 0
    var bytes = 0
    var sentMessages = 0
    var sentBytes = 0
    /// Resources that came although their proxy held that version.
    var unchanged = 0
    /// Streams that ended although nobody here ended them, and one reason.
    var lost = 0
    var lastLoss: String?

    static func += (sum: inout Totals, part: Totals) {
      sum.streams += part.streams
      sum.messages += part.messages
      sum.resources += part.resources
      sum.bytes += part.bytes
      sum.sentMessages += part.sentMessages
      sum.sentBytes += part.sentBytes
      sum.unchanged += part.unchanged
      sum.lost += part.lost
      sum.lastLoss = sum.lastLoss ?? part.lastLoss
    }
  }

  private struct Member {
    var proxy: SimulatedProxy
    var isSlow: Bool
    /// Its socket is not read at the moment.
    var isStalled = false
    var isOpen = false
    var channel: (any Channel)?
    var sentMessages = 0
    var sentBytes = 0
    var openedAt = NIODeadline.uptimeNanoseconds(0)
    var syncTime: TimeAmount?
    /// The last round whose change has arrived.
    var round = 0
    /// Whether a round waits for it.
    var counts: Bool { !isSlow && !isStalled }
  }

  /// A change that was triggered, on its way to every proxy that reads.
  private struct Round {
    var number = 0
    var began = NIODeadline.uptimeNanoseconds(0)
    var samples: [TimeAmount] = []
    var missing = 0
    var done: EventLoopPromise<Void>?
  }

  let eventLoop: any EventLoop
  private let pool = ListPool()
  private var members: [Member] = []
  private var round = Round()
  private var synced: (missing: Int, done: EventLoopPromise<Void>)?
  private var isClosing = false
  private var losses = 0
  private var lastLoss: String?

  init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func add(_ proxy: SimulatedProxy, isSlow: Bool) -> Int {
    members.append(Member(proxy: proxy, isSlow: isSlow))
    return members.count - 1
  }

  // MARK: From the streams

  func opened(_ index: Int) -> [SimulatedProxy.Request] {
    members[index].isOpen = true
    members[index].openedAt = .now()
    return members[index].proxy.connect()
  }

  func received(_ message: UnsafeRawBufferPointer, _ index: Int, at now: NIODeadline) throws -> [SimulatedProxy.Request]
  {
    let requests = try members[index].proxy.received(message, pool)
    if members[index].syncTime == nil, members[index].proxy.isSynced {
      members[index].syncTime = now - members[index].openedAt
      if !members[index].isSlow { countSynced() }
    }
    if members[index].round < round.number {
      members[index].round = round.number
      if members[index].counts {
        round.samples.append(now - round.began)
        round.missing -= 1
        if round.missing == 0 { round.done?.succeed() }
      }
    }
    return requests
  }

  func sent(_ bytes: Int, _ index: Int) {
    members[index].sentMessages += 1
    members[index].sentBytes += bytes
  }

  func connecting(_ index: Int, _ channel: any Channel) { members[index].channel = channel }

  func failed(_ index: Int, _ reason: String) { lose(reason) }

  func closed(_ index: Int, _ reason: GRPCCloseReason) {
    members[index].isOpen = false
    // A server may give up one that reads nothing, not even a PING.
    if !isClosing && !members[index].isStalled { lose("\(reason.status)") }
  }

  /// Whoever waits for all proxies would wait in vain.
  private func lose(_ reason: String) {
    losses += 1
    lastLoss = lastLoss ?? reason
    let failure = LoadFailure(description: "a stream was lost: \(reason)")
    synced?.done.fail(failure)
    round.done?.fail(failure)
  }

  private func countSynced() {
    guard var waiting = synced else { return }
    waiting.missing -= 1
    synced = waiting
    if waiting.missing == 0 { waiting.done.succeed() }
  }

  // MARK: From the fleet

  /// Completes when every proxy that is no slow reader holds all that it asked for, or after the limit.
  func whenSynced(within limit: TimeAmount) -> EventLoopFuture<Void> {
    let promise = eventLoop.makePromise(of: Void.self)
    let missing = members.count { !$0.isSlow && $0.syncTime == nil }
    synced = (missing, promise)
    if missing == 0 { promise.succeed() }
    return completing(promise, within: limit)
  }

  /// From now on the next response of each proxy counts as the change's arrival.
  func beginRound(_ number: Int, at now: NIODeadline) {
    round = Round(
      number: number, began: now, missing: members.count(where: \.counts), done: eventLoop.makePromise(of: Void.self))
    round.samples.reserveCapacity(members.count)
    if round.missing == 0 { round.done?.succeed() }
  }

  func whenRoundEnds(within limit: TimeAmount) -> EventLoopFuture<Void> {
    guard let done = round.done else { return eventLoop.makeSucceededVoidFuture() }
    return completing(done, within: limit)
  }

  /// What the round measured, and how many proxies it did not reach.
  func roundResult() -> (samples: [TimeAmount], missing: Int) { (round.samples, round.missing) }

  /// The first `count` proxies leave their sockets alone, so that the kernel's buffers fill. Rounds do not wait for one that does
  /// not read.
  func stall(first count: Int) -> EventLoopFuture<Void> {
    let indices = members.indices.prefix(count)
    for index in indices { members[index].isStalled = true }
    return EventLoopFuture.andAllSucceed(
      indices.compactMap { members[$0].channel?.setOption(.autoRead, value: false) }, on: eventLoop)
  }

  /// They read again, and learn so whether they have been given up.
  func readAgain() -> EventLoopFuture<Void> {
    let reading = members.filter(\.isStalled).compactMap { $0.channel?.setOption(.autoRead, value: true) }
    // A connection that is closed takes no options.
    return EventLoopFuture.andAllComplete(reading, on: eventLoop)
  }

  /// Rounds wait for them again. Returns who has lost its connection and has to sync anew.
  func endStall() -> [Int] {
    var lost: [Int] = []
    for index in members.indices where members[index].isStalled {
      members[index].isStalled = false
      guard !members[index].isOpen else { continue }
      members[index].syncTime = nil
      lost.append(index)
    }
    return lost
  }

  func syncTimes() -> [TimeAmount] { members.filter { !$0.isSlow }.compactMap(\.syncTime) }

  func setClosing(_ isClosing: Bool) { self.isClosing = isClosing }

  func totals() -> Totals {
    var totals = Totals(lost: losses, lastLoss: lastLoss)
    for member in members {
      totals.streams += member.isOpen ? 1 : 0
      totals.messages += member.proxy.messages
      totals.resources += member.proxy.resources
      totals.bytes += member.proxy.bytes
      totals.sentMessages += member.sentMessages
      totals.sentBytes += member.sentBytes
      totals.unchanged += member.proxy.unchanged
    }
    return totals
  }

  /// The first of the two wins; completing a promise again has no effect.
  private func completing(_ promise: EventLoopPromise<Void>, within limit: TimeAmount) -> EventLoopFuture<Void> {
    let timer = eventLoop.scheduleTask(in: limit) { promise.succeed() }
    promise.futureResult.whenComplete { _ in timer.cancel() }
    return promise.futureResult
  }
}
