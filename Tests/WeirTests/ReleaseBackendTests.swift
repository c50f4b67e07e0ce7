import AdminServer
import Foundation
import Logging
import ReleaseControl
import ReleaseStores
import Telemetry
import Testing
import TrafficModel
import XDSServer

@testable import Weir

/// What holds of releases, whoever runs them: the control plane in this process, or a server that is asked over HTTP.
@Suite(.timeLimit(.minutes(2))) struct ReleaseBackendTests {
  enum Kind: CaseIterable, Sendable { case inProcess, remote }

  @Test(arguments: Kind.allCases) func aReleaseGoesAllItsWay(_ kind: Kind) async throws {
    try await BackendBench.with(kind) { bench, releases in
      let spec = ReleaseSpec.canary(
        of: "reviews.shop", from: "v1", to: "v2", steps: [0.05, ReleaseStep(25, pause: .for(.seconds(60))), 100],
        rules: [
          RequestRule(headers: ["x-user": .exact("jason")]), RequestRule(cookies: ["b": .prefix("a")]),
          RequestRule(queryParameters: ["q": .present, "r": .regex("a.*")]),
        ], warm: .seconds(600), stickiness: .cookie(name: "v", ttlSeconds: 60),
        guardRails: GuardRails(minimumReady: 1, capacity: 50, onShortfall: .hold, onEmpty: .spill))
      let release = try await releases.start(spec, ReleaseRequest(actor: "me", reason: "a \"reason\"\n"))
      #expect(release.id == "reviews.shop-1")
      try await bench.status(release) { $0.liveAt != nil }
      let started = try await release.status()
      #expect(started == (try await bench.releases[release.id].status()), "nothing is lost on the way")
      #expect((started.weight, started.state, started.revision) == (0.05, .awaitingApproval, 1))
      #expect(started.steps == spec.plan)
      #expect(try await bench.releases[release.id].status().steps == spec.plan)

      let change = try await release.setWeight(20)
      #expect(try bench.served() == ["v1": 8000, "v2": 2000])
      #expect(change.generation == bench.server.generation?.number)
      let report = try await change.live(on: .nodes(matching: "*car-?"), within: .seconds(20))
      #expect(
        report
          == LiveReport(
            generation: change.generation, isLive: true, scope: "nodes:*car-?", total: 2, live: 2, laggards: []))
      let error = await #expect(throws: NotLive.self) {
        try await change.live(on: .nodes(matching: "a*b c"), within: .zero)
      }
      #expect(
        error?.report
          == LiveReport(
            generation: change.generation, isLive: false, scope: "nodes:a*b c", total: 0, live: 0, laggards: []))

      try await release.resume()
      try await release.pause()
      try await release.resume()
      try await release.promote()
      try await release.rollback()
      #expect(try await release.status().state == .rolledBack)
      #expect(try bench.served() == ["v1": 10_000])
      try await release.retire()
      #expect(try await releases.list().map(\.state) == [.retired])
      #expect(try await releases.current(of: "reviews.shop") == nil)

      let second = try await releases.start(.reviewsCanary([5, 100]))
      try await second.approve(step: 0)
      #expect(try await second.status().weight == 100)
      let third = try await refusal { _ = try await releases.start(.reviewsCanary([5, 100])) }
      #expect((third.code, third.release) == (.alreadyReleased, second.id))
      try await bench.status(second) { $0.liveAt != nil }

      let history = try await release.history()
      #expect(history == (try await bench.releases[release.id].history()))
      #expect(history.first?.actor == "me" && history.first?.reason == "a \"reason\"\n")
      let ledger = try await releases.ledger(after: 1, limit: 3)
      #expect(ledger.map(\.sequence) == [2, 3, 4])
      // It grows by itself meanwhile: the last release goes on.
      let verdict = try await releases.verify()
      let all = try await releases.ledger()
      #expect(verdict.finding == nil && verdict.entries > 10)
      #expect(all.map(\.sequence) == (1...UInt64(all.count)).map { $0 } && all.count >= Int(verdict.entries))
    }
  }

  @Test(arguments: Kind.allCases) func errorsKeepWhatTheySay(_ kind: Kind) async throws {
    try await BackendBench.with(kind) { bench, releases in
      let release = try await releases.start(
        .reviewsCanary([5, 100], guardRails: GuardRails(onEmpty: .fail)))
      let refused = try await refusal { try await release.resume() }
      #expect(refused == (try await refusal { try await bench.releases[release.id].resume() }))
      #expect(refused.code == .notAllowed && refused.allowedNow.contains(.approve))

      let seen = try await release.status().revision
      try await release.setWeight(20, ReleaseRequest(ifRevision: seen))
      #expect(try await refusal { try await release.setWeight(30, ReleaseRequest(ifRevision: seen)) }.code == .stale)
      #expect(try await refusal { try await release.setWeight(20, ReleaseRequest(actor: "a\nb")) }.code == .invalid)

      for id in ["x", "", "..", "a/b", "ü%2f"] {
        let unknown = try await refusal { try await releases[id].pause() }
        #expect(unknown.code == .unknownRelease && unknown.release == id)
        #expect(try await refusal { _ = try await releases[id].watch() }.code == .unknownRelease)
        #expect(try await refusal { _ = try await releases[id].status() }.code == .unknownRelease)
      }
      let nowhere = ReleaseSpec.canary(of: "nowhere.shop", from: "v1", to: "v2", steps: [5])
      #expect(try await refusal { _ = try await releases.start(nowhere) }.code == .unknownService)
      for spec in [
        ReleaseSpec.canary(of: "", from: "v1", to: "v2", steps: [5]),
        .canary(of: "reviews.shop", from: "v1", to: "v1", steps: [5]),
        .canary(of: "reviews.shop", port: 81, from: "v1", to: "v2", steps: [5]),
        .canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5], stickiness: .cookie(name: "a", ttlSeconds: .max)),
        .rules([RequestRule(headers: ["x": .regex("(")])], of: "reviews.shop", from: "v1", to: "v2"),
      ] {
        #expect(try await refusal { _ = try await releases.start(spec) }.code == .invalid)
      }
      await bench.take(reviewsManifest(v1: 2, v2: 0))
      let few = try await refusal { try await release.setWeight(60) }
      #expect(few.code == .notEnoughCapacity && few.message.contains("v2 has 0 ready endpoints"))
      bench.fails(true)
      #expect(try await refusal { try await release.setWeight(1) }.code == .notDurable)
      bench.fails(false)
      #expect(try await release.status().weight == 20)
    }
  }

  @Test(arguments: Kind.allCases) func aRequestIsCarriedOutOnce(_ kind: Kind) async throws {
    try await BackendBench.with(kind) { bench, releases in
      let first = try await releases.start(.reviewsCanary([5, 100]), ReleaseRequest(idempotencyKey: "a \"b\""))
      let again = try await releases.start(.reviewsCanary([5, 100]), ReleaseRequest(idempotencyKey: "a \"b\""))
      #expect(first.id == again.id)
      let set = try await first.setWeight(20, ReleaseRequest(idempotencyKey: "b"))
      try await first.setWeight(30)
      #expect(try await first.setWeight(20, ReleaseRequest(idempotencyKey: "b")).status.revision == set.status.revision)
      #expect(try bench.served() == ["v1": 7000, "v2": 3000])
      let reused = try await refusal { try await first.setWeight(40, ReleaseRequest(idempotencyKey: "b")) }
      #expect(reused.code == .keyReused)
    }
  }

  @Test(arguments: Kind.allCases) func aReleaseIsWatchedUntilTheEnd(_ kind: Kind) async throws {
    try await BackendBench.with(kind) { bench, releases in
      let release = try await releases.start(.reviewsCanary([5, 100]))
      var seen: [ReleaseStatus] = []
      for try await status in try await release.watch() {
        seen.append(status)
        if status.weight == 5, status.liveAt != nil { try await release.setWeight(20) }
        if status.weight == 20, status.liveAt != nil { break }
      }
      let status = try await bench.releases[release.id].status()
      #expect(seen.first?.revision == 1 && seen.last == status)

      // Whoever leaves is forgotten.
      while await !bench.controller.watchers.isEmpty { await Task.yield() }
      let cancelled = Task { for try await _ in try await release.watch() {} }
      while await bench.controller.watchers.isEmpty { await Task.yield() }
      cancelled.cancel()
      _ = await cancelled.result
      while await !bench.controller.watchers.isEmpty { await Task.yield() }

      // The controller's end is the end of the stream, and no error.
      let watch = try await release.watch()
      await bench.controller.stop()
      var last: ReleaseStatus?
      for try await status in watch { last = status }
      #expect(last?.weight == 20)
    }
  }

  @Test(arguments: Kind.allCases) func whatIsNotLiveIsNamedInTime(_ kind: Kind) async throws {
    try await BackendBench.with(kind) { bench, releases in
      let release = try await releases.start(.reviewsCanary([5, 100]))
      let future = (try await release.status().generation) + 1
      let report = try await releases.live(future, of: release.id, within: .milliseconds(20))
      #expect(!report.isLive && report.generation == future)
      // A change that serves it ends the wait.
      async let later = releases.live(future, of: release.id, within: .seconds(60))
      try await release.setWeight(20)
      #expect(try await later.isLive)
      let waiting = Task { try await releases.live(future + 5, of: release.id, within: .seconds(3600)) }
      waiting.cancel()
      let cancelled = await waiting.result
      #expect(throws: CancellationError.self) { try cancelled.get() }
    }
  }
}

/// What only a server that is asked over HTTP can do wrong.
@Suite(.timeLimit(.minutes(1))) struct RemoteReleaseTests {
  @Test(arguments: ["", "127.0.0.1:1", "ftp://a", "http://", "http://a?b", "http://a#b", "http://u@a", "http:// a"])
  func whatIsNoAddressIsRefused(_ url: String) throws {
    let error = #expect(throws: ReleaseError.self) { try Releases(.server(url)) }
    #expect(error?.code == .invalid)
  }

  @Test func aServerThatIsNotThereIsUnavailable() async throws {
    var address = ""
    try await BackendBench.with(.remote) { bench, _ in address = bench.address }
    let releases = try Releases(.server(address))
    let error = try await refusal { _ = try await releases.list() }
    #expect(error.code == .unavailable)
    #expect(error.message == "\(address) cannot be asked: nothing listens there")
  }

  @Test func aServerThatIsNotReadyIsUnavailable() async throws {
    try await BackendBench.with(.remote) { bench, releases in
      bench.isReady.set(false)
      let error = try await refusal { _ = try await releases.start(.reviewsCanary([5, 100])) }
      #expect(error.code == .unavailable)
      let list = try await releases.list()
      #expect(list.isEmpty)
    }
  }

  @Test func aTokenIsBrought() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "weir-token-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data("0123456789abcdef".utf8).write(to: file)
    try await BackendBench.with(.remote, token: BearerToken(file: file.path)) { bench, releases in
      #expect(try await refusal { _ = try await releases.start(.reviewsCanary([5, 100])) }.code == .unauthorized)
      let known = try Releases(.server(bench.address + "/", token: "0123456789abcdef"))
      #expect(try await known.start(.reviewsCanary([5, 100])).id == "reviews.shop-1")
    }
  }

  @Test func aServerThatDoesNotAnswerIsNotWaitedForForEver() async throws {
    try await BackendBench.with(.remote) { bench, _ in
      let release = try await bench.releases.start(.reviewsCanary([5, 100]))
      // A wait that the server holds longer than the client does.
      let remote = RemoteReleases(
        connection: try AdminConnection(url: bench.address, token: nil, timeout: .milliseconds(50)))
      let error = try await refusal {
        _ = try await remote.connection.send("/v1/releases/\(release.id)/live?generation=999&wait=600s")
      }
      #expect(error.code == .unavailable && error.message.contains("did not answer within"))
    }
  }
}

extension Releases {
  fileprivate func live(_ generation: UInt64, of id: String, within time: Duration) async throws -> LiveReport {
    try await backend.live(generation, of: id, on: .all, within: time)
  }
}

/// A release controller, and releases as its users have them.
private struct BackendBench {
  let inner: ReleaseBench
  let store: FailingStore
  let isReady: Flag
  let address: String

  var releases: Releases { inner.releases }
  var controller: ReleaseController { inner.controller }
  var server: XDSServer { inner.server }

  func served() throws -> [String: Int] { try inner.served() }
  func take(_ yaml: String) async { await inner.take(yaml) }
  func fails(_ fails: Bool) { store.isFailing.store(fails, ordering: .releasing) }
  func status(_ release: some ReleaseHandle, where matches: @Sendable (ReleaseStatus) -> Bool) async throws {
    try await inner.status(releases[release.id], where: matches)
  }

  static func with(
    _ kind: ReleaseBackendTests.Kind, token: BearerToken? = nil, isolation: isolated (any Actor)? = #isolation,
    _ body: (BackendBench, Releases) async throws -> Void
  ) async throws {
    let store = FailingStore()
    let inner = try await ReleaseBench(store: store)
    let isReady = Flag()
    isReady.set(true)
    let admin = try await AdminHTTPServer.start(
      host: "127.0.0.1", port: 0,
      source: Source(releases: AdminReleases(controller: inner.controller, isReady: isReady)),
      metrics: MetricsRegistry(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, token: token,
      drainTime: .milliseconds(200))
    let bench = BackendBench(inner: inner, store: store, isReady: isReady, address: "http://\(admin.address)")
    do {
      switch kind {
      case .inProcess: try await body(bench, bench.releases)
      case .remote: try await body(bench, try Releases(.server(bench.address)))
      }
    } catch {
      await admin.shutdown()
      await inner.stop()
      throw error
    }
    await admin.shutdown()
    await inner.stop()
  }

  private struct Source: AdminDataSource {
    var releases: (any ReleaseDataSource)?
    var isSynced: Bool { true }
    func proxies() async -> [ProxyReport] { [] }
    func problems() async -> [Problem] { [] }
    func resources(_ query: ResourceQuery) async throws -> [ResourceReport] { [] }
  }
}
