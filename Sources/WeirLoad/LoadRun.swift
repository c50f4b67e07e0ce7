import Foundation
import GRPCTransport
import NIOCore

/// One run: connect, sync, changes one by one, readers that stop, storms; and what it found.
struct LoadRun: Sendable {
  struct Plan: Sendable {
    var fleet: Fleet.Plan
    /// Each is fired `updates` times, one trigger after the other. The first serves stalls and storms, too.
    var triggers: [Trigger]
    var updates: Int
    /// Between the end of one change and the next.
    var interval: Duration
    var stalls = Stalls()
    var storms: Int
    var serverProcess: Int32?
    var limit: TimeAmount
    /// From the sync to the look at the server's memory.
    var settling: Duration = .zero
  }

  /// Readers that stop: stretches of changes while all read, and while some do not, in turn.
  struct Stalls: Sendable {
    var pairs = 0
    var readers = 1
    var duration: Duration = .seconds(60)
  }

  let plan: Plan
  let report: Report

  private static let betweenStorms = Duration.seconds(2)

  /// - Throws: if proxies cannot connect, did not sync in time, or the trigger fails.
  func run() async throws {
    let fleet = try await Fleet(plan.fleet)
    do {
      let before = try server()
      try await sync(fleet)
      try await settle(before)
      var number = 0
      for (index, trigger) in plan.triggers.enumerated() where plan.updates > 0 {
        try await pushChanges(of: trigger, index, number: &number, through: fleet)
      }
      try await stall(fleet, number: &number)
      try await storm(fleet, number: &number)
      let totals = try await fleet.totals()
      report.end(totals, own: try ProcessUsage.ofThisProcess())
      try await fleet.shutdown()
      guard totals.lost == 0 else {
        throw LoadFailure(description: "\(totals.lost) streams were lost: \(totals.lastLoss ?? "")")
      }
    } catch {
      try? await fleet.shutdown()
      throw error
    }
  }

  func server() throws -> ProcessUsage? { try plan.serverProcess.map { try ProcessUsage(processID: $0) } }

  private func sync(_ fleet: Fleet) async throws {
    report.progress("connecting \(plan.fleet.proxies) proxies (\(plan.fleet.variant.rawValue))")
    let clock = ContinuousClock()
    let (began, before, own) = (clock.now, try server(), try ProcessUsage.ofThisProcess())
    try await fleet.connect()
    let times = try await fleet.waitForSync(within: plan.limit)
    let all = clock.now - began
    let expected = plan.fleet.proxies - plan.fleet.slowProxies
    guard times.count == expected else {
      throw LoadFailure(description: "only \(times.count) of \(expected) proxies are in sync in time")
    }
    let totals = try await fleet.totals()
    report.synced(
      all: all, each: Distribution(times), totals, server: (before, try server()),
      own: (own, try ProcessUsage.ofThisProcess()))
  }

  /// Waits, and compares the server's memory with what it was before anybody was connected.
  private func settle(_ before: ProcessUsage?) async throws {
    guard plan.settling > .zero else { return }
    report.progress("waiting \(plan.settling) before the look at the server's memory")
    try await Task.sleep(for: plan.settling)
    report.settled(server: (before, try server()))
  }

  private func pushChanges(of trigger: Trigger, _ index: Int, number: inout Int, through fleet: Fleet) async throws {
    let (before, own) = (try server(), try ProcessUsage.ofThisProcess())
    let sent = try await fleet.totals()
    var rounds = Rounds()
    for count in 1...plan.updates {
      number += 1
      let change = number
      rounds.add(try await fleet.round(change, within: plan.limit) { try await trigger.fire(change) })
      if count == 1 || count % max(1, plan.updates / 10) == 0 {
        report.progress("change \(count) of \(plan.updates)")
      }
      try await Task.sleep(for: plan.interval)
    }
    report.changes(
      rounds, trigger: index + 1, (sent, try await fleet.totals()), server: (before, try server()),
      own: (own, try ProcessUsage.ofThisProcess()))
  }

  private func storm(_ fleet: Fleet, number change: inout Int) async throws {
    guard let trigger = plan.triggers.first, plan.storms > 0 else { return }
    for number in 1...plan.storms {
      report.progress("storm \(number) of \(plan.storms)")
      // Who leaves within a second is taken by a server for one that had no use for what it was sent, and served after others from
      // then on: proxies that lose their connections were there for longer.
      try await Task.sleep(for: Self.betweenStorms)
      let (before, sent) = (try server(), try await fleet.totals())
      let clock = ContinuousClock()
      let began = clock.now
      try await fleet.disconnect()
      change += 1
      let current = change
      // The change happens while nobody is there, so that each proxy is owed something when it is back.
      let result = try await fleet.round(current, within: plan.limit) {
        try await trigger.fire(current)
        try await fleet.connect()
      }
      report.storm(
        number, all: clock.now - began, each: Distribution(result.samples), missing: result.missing,
        (sent, try await fleet.totals()), server: (before, try server()))
    }
  }
}

/// What several changes measured.
struct Rounds: Sendable {
  private(set) var count = 0
  private(set) var missing = 0
  private var samples: [TimeAmount] = []
  private var slowest: [TimeAmount] = []

  mutating func add(_ result: Fleet.RoundResult) {
    count += 1
    missing += result.missing
    samples += result.samples
    if let last = result.samples.max() { slowest.append(last) }
  }

  /// Each change to each proxy.
  var each: Distribution { Distribution(samples) }
  /// Each change to the last proxy that it reached.
  var last: Distribution { Distribution(slowest) }
}
