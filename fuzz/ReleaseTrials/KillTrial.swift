import EnvoyHarness
import Foundation

/// The server, what was asked of it, and what of that must be there.
struct KillTrial {
  struct Counts {
    var kills = 0
    var acknowledged = 0
    var refused = 0
    var unheard = 0
    /// Of the unheard, those that were done nevertheless.
    var done = 0
    var duringStarts = 0
  }

  private static let services = 3
  let directory: TemporaryDirectory
  let weir: WeirProcess
  private var random: SeededRandom
  private(set) var counts = Counts()
  /// What the ledger said when it was looked at last.
  private var ledger = LedgerReading()
  private let startTime: Duration

  var summary: String {
    "\(counts.kills) kills, \(counts.duringStarts) of them during a start; \(counts.acknowledged) operations acknowledged and "
      + "there, \(counts.refused) refused and not there, \(counts.unheard) cut off, of which \(counts.done) were done whole "
      + "and the others not at all; \(ledger.entries.count) entries of the ledger"
  }

  private static func host(_ service: Int) -> String { "s\(service).shop" }
  private var releases: WeirReleases { WeirReleases(admin: weir.addresses.admin) }

  static func open(_ random: SeededRandom) async throws -> KillTrial {
    let directory = TemporaryDirectory(prefix: "weir-release-kills")
    let manifests = try ManifestDirectory(in: directory)
    for service in 0..<services {
      let name = "s\(service)"
      var documents: [any ManifestDocument] = [ServiceManifest(name, namespace: "shop")]
      for version in ["v1", "v2"] {
        documents.append(
          PodManifest("\(name)-\(version)", namespace: "shop", labels: ["app": name, "version": version]))
      }
      documents.append(
        EndpointSliceManifest(
          "\(name)-1", namespace: "shop", service: name,
          endpoints: [1, 2].map { .init("10.0.\(service).\($0)", pod: "\(name)-v\($0)") }))
      try manifests.write("\(name).yaml", documents)
    }
    let began = ContinuousClock.now
    let weir = try await WeirProcess.serve(
      manifests: [manifests.path], state: directory.path + "/state", flags: ["--log-level", "warning"], in: directory)
    let startTime = ContinuousClock.now - began
    // It comes and goes, so that there are routes for its class.
    let envoy = try await EnvoyProcess.start(
      bootstrap: try await weir.bootstrap(
        nodeID: "visitor", namespace: "shop", listen: "\(LoopbackAddress.next()):15001"), in: directory)
    await envoy.stop()
    return KillTrial(directory: directory, weir: weir, random: random, startTime: startTime)
  }

  private init(directory: TemporaryDirectory, weir: WeirProcess, random: SeededRandom, startTime: Duration) {
    (self.directory, self.weir, self.random, self.startTime) = (directory, weir, random, startTime)
  }

  func close() async {
    await weir.kill()
    directory.remove()
  }

  /// Moves releases, kills the server meanwhile, starts it again, and looks.
  ///
  /// - Parameter losing: puts the store of before the moves back, as if nothing since had been kept.
  mutating func kill(_ number: Int, losing: Bool = false) async throws {
    let (state, saved) = (directory.path + "/state", directory.path + "/saved")
    if losing {
      await weir.kill()
      try FileManager.default.copyItem(atPath: state, toPath: saved)
      try await weir.startAgain()
    }
    // Then there has to be something to lose.
    let attempts = try await moveAndKill(number, after: losing ? 12 : nil)
    if losing {
      try FileManager.default.removeItem(atPath: state)
      try FileManager.default.moveItem(atPath: saved, toPath: state)
    }
    if Int.random(in: 0..<4, using: &random) == 0 { try await killAStart() }
    try await weir.startAgain()
    counts.kills += 1
    do {
      try await check(attempts)
    } catch {
      throw TrialFailure("after kill \(number): \(error)")
    }
  }

  private mutating func moveAndKill(_ number: Int, after answers: Int?) async throws -> [Attempt] {
    // Right after some answer, or at some instant: nothing tells of those in between.
    let target = answers ?? (Bool.random(using: &random) ? Int.random(in: 1...12, using: &random) : nil)
    let instant = Duration.milliseconds(Int.random(in: 0...120, using: &random))
    let (heard, hear) = AsyncStream.makeStream(of: Void.self)
    var workers: [Worker] = []
    for service in 0..<Self.services {
      workers.append(
        Worker(
          service: service, host: Self.host(service), random: SeededRandom(seed: random.next()), releases: releases,
          label: "op-\(number)-\(service)"))
    }
    let moving = Task { [workers] in
      defer { hear.finish() }
      return await withTaskGroup(of: [Attempt].self) { group in
        for worker in workers { group.addTask { await worker.run { hear.yield() } } }
        return await group.reduce(into: []) { $0 += $1 }
      }
    }
    if let target {
      var count = 0
      for await _ in heard {
        count += 1
        if count == target { break }
      }
    } else {
      try await Task.sleep(for: instant)
    }
    await weir.kill()
    return await moving.value
  }

  private mutating func killAStart() async throws {
    let instant = startTime * Double.random(in: 0...1, using: &random)
    counts.duringStarts += 1
    let weir = weir
    let starting = Task { try await weir.startAgain() }
    try await Task.sleep(for: instant)
    await weir.kill()
    // Whether it came so far to serve or not.
    _ = await starting.result
    await weir.kill()
  }

  // MARK: What must be so

  private mutating func check(_ attempts: [Attempt]) async throws {
    // At once, and before a proxy could have asked: what is served is what the releases say.
    try await expectServedWeights()
    try ledger.take(try await releases.ledger(after: ledger.last))
    if let finding = try await finding() { throw TrialFailure("the ledger: \(finding)") }
    for attempt in attempts {
      let entries = ledger.entries(of: attempt.reason)
      switch attempt.outcome {
      case .acknowledged(let status):
        counts.acknowledged += 1
        guard entries.count == 1, let entry = entries.first else {
          // What changes nothing leaves no entry: a rollback of what is rolled back.
          if entries.isEmpty, status["reason"].string != attempt.reason { continue }
          throw TrialFailure("\(attempt.action) \(attempt.reason) was acknowledged, and has \(entries.count) entries")
        }
        guard entry["toWeight"] == status["weight"], entry["outcome"] == status["state"] else {
          throw TrialFailure("\(attempt.reason) was acknowledged as \(status), and the ledger says \(entry)")
        }
      case .refused:
        counts.refused += 1
        guard entries.isEmpty else { throw TrialFailure("\(attempt.reason) was refused, and done: \(entries)") }
      case .unheard:
        counts.unheard += 1
        guard entries.count <= 1 else { throw TrialFailure("\(attempt.reason) was done \(entries.count) times") }
        counts.done += entries.count
      }
    }
    try await expectRecords()
    try await repeatUnheard(attempts)
  }

  /// The chain of all is looked through at the end, and on the way while that is cheap.
  private func finding() async throws -> String? {
    ledger.entries.count < 2_000 ? try await releases.ledgerFinding() : nil
  }

  func checkWholeLedger() async throws {
    if let finding = try await releases.ledgerFinding() { throw TrialFailure("the ledger: \(finding)") }
    guard try await releases.ledger() == ledger.entries else {
      throw TrialFailure("the ledger's first entries are not what they were")
    }
  }

  /// Every release is as the last entry about it says.
  private func expectRecords() async throws {
    for status in try await releases.list() {
      guard let last = ledger.lastMove(of: status["id"].string ?? "") else {
        throw TrialFailure("there is a release that the ledger does not know: \(status)")
      }
      // It may have gone on by itself since.
      let fresh = try await releases.ledger(after: ledger.last).last {
        $0["release"] == status["id"] && LedgerReading.isMove($0)
      }
      let says = [last, fresh ?? last]
      guard says.contains(where: { $0["outcome"] == status["state"] && $0["toWeight"] == status["weight"] }) else {
        throw TrialFailure("a release and the ledger differ: \(status), and \(last)")
      }
    }
  }

  private func expectServedWeights() async throws {
    // A release that goes on by itself does so between two questions.
    for _ in 1...5 {
      let before = try await releases.list()
      let served = try await servedWeights()
      let after = try await releases.list()
      guard before.map({ $0["revision"] }) == after.map({ $0["revision"] }) else { continue }
      for service in 0..<Self.services {
        let inForce = before.last {
          $0["service"].string?.hasPrefix(Self.host(service)) == true
            && !["aborted", "retired"].contains($0["state"].string ?? "")
        }
        guard let inForce else {
          guard served[service] == ["": 100] else {
            throw TrialFailure("no release shapes \(Self.host(service)), and \(served[service] ?? [:]) is served")
          }
          continue
        }
        let weight = inForce["servedWeight"].number ?? -1
        var expected = [inForce["to"].string ?? "?": weight, inForce["from"].string ?? "?": 100 - weight]
        expected = expected.filter { $0.value > 0.001 }
        let shares = (served[service] ?? [:]).filter { $0.value > 0.001 }
        guard expected.count == shares.count,
          expected.allSatisfy({ abs((shares[$0.key] ?? -1) - $0.value) < 0.001 })
        else { throw TrialFailure("\(inForce) is served as \(shares)") }
      }
      return
    }
    throw TrialFailure("the releases do not come to rest")
  }

  /// The percent of each subset in each service's last route.
  private func servedWeights() async throws -> [Int: [String: Double]] {
    let resources = try await weir.json("/v1/resources?type=route")["resources"].array
    let hosts = resources.flatMap { $0["body"]["virtualHosts"].array }
    var shares: [Int: [String: Double]] = [:]
    for service in 0..<Self.services {
      let host = hosts.first { $0["domains"].array.contains(.string("\(Self.host(service)).svc.cluster.local")) }
      guard let host else { throw TrialFailure("no route to \(Self.host(service)) is served") }
      shares[service] = subsetShares(ofRoute: host["routes"].array.last?["route"] ?? .null)
    }
    return shares
  }

  /// What was not heard is asked again with the same key: done once in all.
  private mutating func repeatUnheard(_ attempts: [Attempt]) async throws {
    var again: [Attempt] = []
    for attempt in attempts {
      guard case .unheard = attempt.outcome else { continue }
      let isDone = !ledger.entries(of: attempt.reason).isEmpty
      let repeated = await attempt.asked(of: releases)
      if isDone {
        guard case .acknowledged = repeated.outcome else {
          throw TrialFailure("\(attempt.reason) was done, and is not answered again: \(repeated.outcome)")
        }
      }
      again.append(repeated)
    }
    try ledger.take(try await releases.ledger(after: ledger.last))
    for attempt in again where ledger.entries(of: attempt.reason).count > 1 {
      throw TrialFailure("\(attempt.reason) was asked twice with one key, and done twice")
    }
  }
}

/// The ledger as far as it is known.
struct LedgerReading {
  private(set) var entries: [JSON] = []
  private var byReason: [String: [JSON]] = [:]
  private var lastMoves: [String: JSON] = [:]

  var last: Int { entries.last?["sequence"].integer ?? 0 }

  static func isMove(_ entry: JSON) -> Bool {
    !["live-everywhere", "served", "restarted", "spill", "unspill"].contains(entry["action"].string ?? "")
  }

  func entries(of reason: String) -> [JSON] { byReason[reason] ?? [] }
  func lastMove(of release: String) -> JSON? { lastMoves[release] }

  /// - Throws: if a number is missing or comes again.
  mutating func take(_ more: [JSON]) throws {
    for entry in more {
      guard entry["sequence"].integer == last + 1 else {
        throw TrialFailure("after entry \(last) the ledger goes on with \(entry)")
      }
      entries.append(entry)
      guard Self.isMove(entry) else { continue }
      byReason[entry["reason"].string ?? "", default: []].append(entry)
      lastMoves[entry["release"].string ?? ""] = entry
    }
  }
}

/// The percent of each subset in a route's action, in protobuf's JSON.
func subsetShares(ofRoute route: JSON) -> [String: Double] {
  func subset(_ name: JSON) -> String {
    let parts = (name.string ?? "").split(separator: "|", omittingEmptySubsequences: false)
    return parts.count == 4 ? String(parts[2]) : "?"
  }
  if route["cluster"] != .null { return [subset(route["cluster"]): 100] }
  let weighted = route["weightedClusters"]["clusters"].array.map {
    (subset($0["name"]), Double($0["weight"].integer ?? 0))
  }
  let all = weighted.reduce(0) { $0 + $1.1 }
  return Dictionary(weighted.map { ($0.0, $0.1 * 100 / max(all, 1)) }) { $0 + $1 }
}
