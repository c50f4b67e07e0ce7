import EnvoyHarness
import Foundation

/// One run: operations one after the other, with the load and the watches around them.
struct Soak {
  let mesh: SoakMesh
  var random: SeededRandom
  /// Whether pods are killed rather than ended.
  let isCareless: Bool
  private(set) var counts: [String: Int] = [:]
  private var rules: [String] = []
  private var number = 0

  /// From how many operations on each check has to have been made.
  private static let enough = 50
  private static let checked = "live answers that were checked against the Envoys"

  init(mesh: SoakMesh, random: SeededRandom, isCareless: Bool) {
    (self.mesh, self.random, self.isCareless) = (mesh, random, isCareless)
  }

  /// - Returns: what is not as it should be.
  mutating func run(_ operations: Int) async throws -> [String] {
    func plan(_ sidecar: SoakMesh.Sidecar) -> ConstantLoad.Plan {
      ConstantLoad.Plan(
        address: sidecar.outbound,
        targets: [LoadTarget(host: SoakMesh.host), LoadTarget(host: SoakMesh.host, headers: ["x-preview": "1"])],
        pace: .perSecond(120), envoy: sidecar.envoy)
    }
    let watches = mesh.sidecars.map { WarmthWatch($0.name, $0.envoy) }
    for watch in watches { await watch.begin(every: .milliseconds(150)) }
    var soak = self
    let (inner, second) = try await ConstantLoad.run(plan(mesh.sidecars[0])) { first in
      try await ConstantLoad.run(plan(mesh.sidecars[1])) { second in
        for _ in 1...max(1, operations) {
          soak.number += 1
          try await soak.operate([first, second], watches)
          if soak.number.isMultiple(of: 100) {
            let (one, other) = (try await first.report(), try await second.report())
            say(
              "soak: \(soak.number) operations, \(one.requests + other.requests) requests, "
                + "\(one.failed + other.failed) failed")
          }
        }
      }
    }
    self = soak
    var complaints: [String] = []
    for (sidecar, report) in zip(mesh.sidecars, [second, inner.report]) {
      say("soak, \(sidecar.name): \(report.summary)")
      complaints += report.complaints.map { "\(sidecar.name): \($0)" }
    }
    for watch in watches {
      try await watch.end()
      counts["looks at an Envoy's configuration", default: 0] += await watch.looks
      complaints += await watch.cold.prefix(10)
    }
    // A run in which nothing could be found proves nothing.
    if operations >= Self.enough, !isCareless, counts[Self.checked, default: 0] == 0 {
      complaints.append("no answer about what is live was checked against the Envoys")
    }
    return complaints
  }

  private mutating func count(_ what: String) { counts[what, default: 0] += 1 }

  private mutating func operate(_ loads: [ConstantLoad], _ watches: [WarmthWatch]) async throws {
    if isCareless {
      try await mesh.backends.crash()
      for load in loads { try await load.pass(requests: 100) }
      return
    }
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<62: try await moveRelease(watches)
    case 62..<76: try await churn(loads)
    case 76..<94: try changeRules()
    default: try await kill(watches)
    }
    for watch in watches { try await watch.look() }
  }

  // MARK: Releases

  private func current() async throws -> JSON? {
    try await mesh.releases.list().last { $0["service"].string?.hasPrefix(SoakMesh.host + ".") == true }
  }

  /// The next thing to ask: a start where a release is over, else any move that is allowed.
  private mutating func nextAttempt() async throws -> Attempt? {
    let reason = "op-\(number)"
    let status = try await current()
    let state = status?["state"].string ?? "none"
    let isOver = ["none", "succeeded", "rolledBack", "aborted", "retired"].contains(state)
    let move = status.flatMap { randomMove($0, reason: reason, using: &random) }
    if isOver, move == nil || Int.random(in: 0..<4, using: &random) > 0 {
      let present = (state == "succeeded" ? status?["to"].string : status?["from"].string) ?? "v1"
      return Attempt(
        reason: reason, service: 0, release: nil, action: "start",
        body: randomSpec(
          of: SoakMesh.host, from: present, to: present == "v1" ? "v2" : "v1", reason: reason, using: &random))
    }
    guard let move, let id = status?["id"].string else { return nil }
    return Attempt(reason: reason, service: 0, release: id, action: move.action, body: move.body)
  }

  private mutating func moveRelease(_ watches: [WarmthWatch]) async throws {
    guard let attempt = try await nextAttempt() else { return count("nothing to move") }
    var outcome = await attempt.asked(of: mesh.releases).outcome
    if rules.isEmpty, outcome.isIdle {
      // They were deleted a moment ago, and a file that vanishes may come back: the server waits for that.
      try await poll("deleted rules are forgotten", within: .seconds(10)) { [mesh] in
        outcome = await attempt.asked(of: mesh.releases).outcome
        return !outcome.isIdle
      }
      count("asked again, for rules that were just deleted")
    }
    switch outcome {
    case .acknowledged(let status):
      count(attempt.action)
      // Some are waited for, and some run into the next one.
      if Int.random(in: 0..<3, using: &random) > 0 { try await expectLive(status["id"].string ?? "", watches) }
    case .refused(let refusal):
      // Where the rules that are written name one version alone, a release from the other has nothing to divide.
      guard outcome.isIdle || ["notAllowed", "notEnoughCapacity", "alreadyReleased"].contains(refusal.code) else {
        throw TrialFailure("operation \(number), \(attempt.action): \(refusal)")
      }
      count("refused: \(refusal.code)")
    case .unheard: throw TrialFailure("operation \(number), \(attempt.action): no answer")
    }
  }

  /// Waits until it is live on both Envoys, and asks them whether that is so.
  private mutating func expectLive(_ id: String, _ watches: [WarmthWatch]) async throws {
    let report = try await mesh.releases.live(id, waitSeconds: 30)
    guard report["isLive"].bool == true else {
      throw TrialFailure("operation \(number): \(id) is not live in time: \(report)")
    }
    guard report["total"].integer == mesh.sidecars.count else { return count("live while an Envoy was away") }
    let before = try await mesh.releases.status(of: id)
    guard !["aborted", "retired"].contains(before["state"].string ?? "") else { return }
    var shares: [[String: Double]?] = []
    for watch in watches { shares.append(try await watch.shares(of: SoakMesh.host)) }
    // One that has gone on by itself meanwhile is another.
    let after = try await mesh.releases.status(of: id)
    guard before["revision"] == after["revision"], before["generation"] == report["generation"] else { return }
    let weight = before["servedWeight"].number ?? -1
    // A release in force always has a route: one that would have none does not start, and rules that change do not take it away.
    guard before["routes"]["divided"].array.count > 0 else {
      throw TrialFailure("operation \(number): a release in force divides nothing: \(before)")
    }
    for (sidecar, shares) in zip(mesh.sidecars, shares) {
      let share = shares?[before["to"].string ?? ""] ?? 0
      guard abs(share - weight) < 0.001 else {
        throw TrialFailure(
          "operation \(number): \(sidecar.name) routes by \(shares ?? [:]), and this is said to be live: \(before)")
      }
    }
    count(Self.checked)
  }

  // MARK: Endpoints

  /// A backend more, or one less as a pod should go: it drains, nobody can pick it any longer, it ends.
  private mutating func churn(_ loads: [ConstantLoad]) async throws {
    let version = ["v1", "v2"].randomElement(using: &random) ?? "v1"
    let (few, many) = (await mesh.backends.count(version) < 2, await mesh.backends.count(version) > 4)
    if few || !many && Bool.random(using: &random) {
      try await mesh.backends.add(version)
      return count("endpoint added")
    }
    guard let address = try await drain(version) else { return count("nothing to drain") }
    try await poll("\(address) is safe to terminate", within: .seconds(60)) {
      let answer = try await HTTPCall.get(
        mesh.weir.addresses.admin, "/v1/safe-to-terminate?address=\(address)&wait=20s", timeout: .seconds(30))
      let report = try JSON(parsing: answer.body)
      // A server that has just started does not know yet who is to come back.
      return report["safe"].bool == true && report["total"].integer == mesh.sidecars.count
    }
    // What was sent to it before is answered.
    for load in loads { try await load.pass(requests: 16) }
    try await mesh.backends.remove(address)
    count("endpoint drained and removed")
  }

  private mutating func drain(_ version: String) async throws -> String? {
    var drawn = random
    let address = try await mesh.backends.drain(version, using: &drawn)
    random = drawn
    return address
  }

  // MARK: Subsets and routes

  /// Subsets and the route that names them are written or deleted, in both orders.
  private mutating func changeRules() throws {
    let isThere = !rules.isEmpty
    var files = ["subsets.yaml", "routes.yaml"]
    if Bool.random(using: &random) { files.reverse() }
    for file in files {
      if isThere {
        try mesh.manifests.remove(file)
      } else if file == "subsets.yaml" {
        try mesh.manifests.write(
          file, [DestinationRuleManifest("reviews", namespace: "shop", host: "reviews", versions: ["v1", "v2"])])
      } else {
        let first = [100, 90, 50].randomElement(using: &random) ?? 100
        try mesh.manifests.write(
          file,
          [
            VirtualServiceManifest(
              "reviews", namespace: "shop", host: "reviews", weights: [("v1", first), ("v2", 100 - first)])
          ])
      }
    }
    rules = isThere ? [] : files
    count("\(isThere ? "deleted" : "written") \(files.map { $0.dropLast(5) }.joined(separator: " before "))")
  }

  // MARK: The server

  /// Killed while something is asked of it, or a rule is written, and started again.
  private mutating func kill(_ watches: [WarmthWatch]) async throws {
    let attempt = try await nextAttempt()
    let instant = Duration.milliseconds(Int.random(in: 0...25, using: &random))
    let releases = mesh.releases
    let asking = Task { await attempt?.asked(of: releases) }
    try await Task.sleep(for: instant)
    await mesh.weir.kill()
    if case .acknowledged = await asking.value?.outcome { count("\(attempt?.action ?? ""), right before a kill") }
    if Bool.random(using: &random) { try changeRules() }
    try await mesh.weir.startAgain()
    count("kill and restart")
    // Most are waited for; else what follows happens while the Envoys come back.
    guard Int.random(in: 0..<4, using: &random) > 0 else { return }
    try await poll("both Envoys are back", within: .seconds(60), every: .milliseconds(50)) {
      try await mesh.weir.json("/v1/proxies")["proxies"].array.count == mesh.sidecars.count
    }
    if let status = try await current(), let id = status["id"].string { try await expectLive(id, watches) }
  }
}
