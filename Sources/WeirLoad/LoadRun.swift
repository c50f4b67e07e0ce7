import Foundation
import GRPCTransport
import NIOCore

/// One run: connect, sync, changes one by one, storms; and what it found.
struct LoadRun: Sendable {
  struct Plan: Sendable {
    var fleet: Fleet.Plan
    var trigger: Trigger?
    var updates: Int
    /// Between the end of one change and the next.
    var interval: Duration
    var storms: Int
    var serverProcess: Int32?
    var limit: TimeAmount
  }

  let plan: Plan
  let report: Report

  /// - Throws: if proxies cannot connect, did not sync in time, or the trigger fails.
  func run() async throws {
    let fleet = try await Fleet(plan.fleet)
    do {
      try await sync(fleet)
      try await pushChanges(through: fleet)
      try await storm(fleet)
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

  private func server() throws -> ProcessUsage? { try plan.serverProcess.map { try ProcessUsage(processID: $0) } }

  private func sync(_ fleet: Fleet) async throws {
    report.progress("connecting \(plan.fleet.proxies) proxies (\(plan.fleet.variant.rawValue))")
    let clock = ContinuousClock()
    let (began, before) = (clock.now, try server())
    try await fleet.connect()
    let times = try await fleet.waitForSync(within: plan.limit)
    let all = clock.now - began
    let expected = plan.fleet.proxies - plan.fleet.slowProxies
    guard times.count == expected else {
      throw LoadFailure(description: "only \(times.count) of \(expected) proxies are in sync in time")
    }
    let totals = try await fleet.totals()
    report.synced(all: all, each: Distribution(times), totals, server: (before, try server()))
  }

  private func pushChanges(through fleet: Fleet) async throws {
    guard let trigger = plan.trigger, plan.updates > 0 else { return }
    let (before, own) = (try server(), try ProcessUsage.ofThisProcess())
    let sent = try await fleet.totals()
    var (samples, last, missing): ([TimeAmount], [TimeAmount], Int) = ([], [], 0)
    for number in 1...plan.updates {
      let result = try await fleet.round(number, within: plan.limit) { try await trigger.fire(number) }
      samples += result.samples
      if let slowest = result.samples.max() { last.append(slowest) }
      missing += result.missing
      if number == 1 || number % max(1, plan.updates / 10) == 0 {
        report.progress("change \(number) of \(plan.updates)")
      }
      try await Task.sleep(for: plan.interval)
    }
    report.changes(
      plan.updates, each: Distribution(samples), last: Distribution(last), missing: missing,
      (sent, try await fleet.totals()), server: (before, try server()), own: (own, try ProcessUsage.ofThisProcess()))
  }

  private func storm(_ fleet: Fleet) async throws {
    guard let trigger = plan.trigger, plan.storms > 0 else { return }
    for number in 1...plan.storms {
      report.progress("storm \(number) of \(plan.storms)")
      let (before, sent) = (try server(), try await fleet.totals())
      let clock = ContinuousClock()
      let began = clock.now
      try await fleet.disconnect()
      // The change happens while nobody is there, so that each proxy is owed something when it is back.
      let result = try await fleet.round(plan.updates + number, within: plan.limit) {
        try await trigger.fire(plan.updates + number)
        try await fleet.connect()
      }
      report.storm(
        number, all: clock.now - began, each: Distribution(result.samples), missing: result.missing,
        (sent, try await fleet.totals()), server: (before, try server()))
    }
  }
}
