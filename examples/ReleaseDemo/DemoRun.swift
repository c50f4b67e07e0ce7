import EnvoyHarness
import Foundation
import Weir

/// The demo's script: each step is set, awaited until it is live everywhere, and measured.
struct DemoRun {
  /// What a step has shown.
  struct Step {
    var name: String
    /// The candidate's share, in percent.
    var set: Int
    var liveAfter: Duration
    /// Since the step before, of all sidecars.
    var requests = 0
    var failed = 0
    /// Answered while the step was live everywhere, by sidecar: of all, and by the candidate.
    var measured: [(all: Int, candidate: Int)] = []
  }

  let mesh: DemoMesh
  /// Of each sidecar.
  let requestsPerStep: Int
  /// Of each sidecar, a second.
  private static let rate = 200

  func run() async throws -> Outcome {
    var steps: [Step] = []
    var complaints: [String] = []
    func load(_ index: Int) -> ConstantLoad.Plan {
      ConstantLoad.Plan(
        address: mesh.sidecars[index].outbound, targets: [LoadTarget(host: DemoMesh.host)], pace: .perSecond(Self.rate),
        envoy: mesh.sidecars[index].envoy)
    }
    let reports = try await ConstantLoad.run(load(0)) { first in
      try await ConstantLoad.run(load(1)) { second in
        try await ConstantLoad.run(load(2)) { third in
          let loads = [first, second, third]
          try await canary(loads, &steps)
          complaints += try await blueGreen(loads, &steps)
        }
      }
    }
    let (third, second, first) = (reports.value.value.report, reports.value.report, reports.report)
    for (sidecar, report) in zip(mesh.sidecars, [first, second, third]) {
      say("\(sidecar.name): \(report.summary)")
      complaints += report.complaints.map { "\(sidecar.name): \($0)" }
    }
    return Outcome(steps: steps, sidecars: mesh.sidecars.map(\.name), complaints: complaints)
  }

  private func canary(_ loads: [ConstantLoad], _ steps: inout [Step]) async throws {
    say("\ncanary: 0 → 5 → 25 → 50 → 100, and a rollback")
    let shares = [0, 5, 25, 50, 100]
    var release: StartedRelease?
    for share in shares {
      try await step("canary \(share) %", share, loads, &steps) {
        if let release { return try await release.change().approve() }
        let started = try await mesh.releases.start(
          .canary(
            of: DemoMesh.host, from: "v1", to: "v2", steps: shares.map { ReleaseStep(Weight(integerLiteral: $0)) }))
        release = started
        return try await started.change()
      }
    }
    try await step("rollback", 0, loads, &steps) {
      guard let release else { throw HarnessError(.malformed, "there is no release") }
      return try await release.rollback()
    }
  }

  private func blueGreen(_ loads: [ConstantLoad], _ steps: inout [Step]) async throws -> [String] {
    say("\nblue-green: a preview by header, the switch, and back")
    let release = try await mesh.releases.start(
      .blueGreen(
        of: DemoMesh.host, from: "v1", to: "v2", preview: [RequestRule(headers: ["x-preview": .present])],
        warm: .seconds(600)))
    try await step("preview", 0, loads, &steps) { try await release.change() }
    var complaints: [String] = []
    for sidecar in mesh.sidecars {
      let answer = try await HTTPCall.get(
        sidecar.outbound, "/", host: DemoMesh.host, headers: ["x-preview": "1"])
      let version = answer.headers["x-version"].first ?? "nobody"
      if version != "v2" { complaints.append("\(sidecar.name): the preview was answered by \(version)") }
    }
    try await step("switch", 100, loads, &steps) { try await release.change().approve() }
    try await step("back", 0, loads, &steps) { try await release.rollback() }
    return complaints
  }

  private func step(
    _ name: String, _ share: Int, _ loads: [ConstantLoad], _ steps: inout [Step],
    _ move: () async throws -> ReleaseChange
  ) async throws {
    let requestsBefore = steps.reduce(0) { $0 + $1.requests }
    let failedBefore = steps.reduce(0) { $0 + $1.failed }
    let clock = ContinuousClock()
    let start = clock.now
    let live = try await move().live(on: .all, within: .seconds(10))
    var step = Step(name: name, set: share, liveAfter: clock.now - start)
    guard live.total == mesh.sidecars.count else {
      throw HarnessError(.malformed, "\(name) is live on \(live.total) proxies, not on \(mesh.sidecars.count)")
    }
    // What was under way when the step became live was decided by the step before.
    for load in loads { try await load.pass(requests: 20) }
    var before: [[String: Int]] = []
    for load in loads { before.append(try await load.report().versions[DemoMesh.host] ?? [:]) }
    // Side by side: in turn, each would wait for its own.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for load in loads { group.addTask { [requestsPerStep] in try await load.pass(requests: requestsPerStep) } }
      try await group.waitForAll()
    }
    for (load, before) in zip(loads, before) {
      let report = try await load.report()
      let counts = (report.versions[DemoMesh.host] ?? [:]).merging(before) { $0 - $1 }
      step.measured.append((counts.values.reduce(0, +), counts["v2"] ?? 0))
      step.requests += report.requests
      step.failed += report.failed
    }
    step.requests -= requestsBefore
    step.failed -= failedBefore
    steps.append(step)
    say("  \(name): live everywhere after \(step.liveAfter.milliseconds) ms")
  }
}
