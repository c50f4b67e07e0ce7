import Foundation
import ReleaseControl
import Synchronization
import TrafficModel
import Weir
import XDSServer

@testable import WeirCommand

/// A server of releases without a server: it moves releases by the real state machine, and records what it is asked.
final class FakeReleases: ReleaseBackend {
  struct Asked: Sendable {
    var action: ReleaseAction?
    var spec: ReleaseSpec?
    var id = ""
    var request = ReleaseRequest()
  }

  private struct State {
    var statuses: [ReleaseStatus] = []
    var releases: [String: Release] = [:]
    var asked: [Asked] = []
    var lists = 0
    var waits: [(generation: UInt64, scope: ProxyScope, time: Duration)] = []
    var report = LiveReport(generation: 0, isLive: true, scope: "all", total: 3, live: 3, laggards: [])
    var ledger: [LedgerLine] = []
    var verdict = LedgerVerdict(entries: 2, finding: nil)
    var failure: ReleaseError?
    /// What each call of `watch` gives, in turn.
    var watches: [Result<[ReleaseStatus], ReleaseError>] = []
  }

  static let start = Date(timeIntervalSince1970: 1_700_000_000)
  private let state = Mutex(State())

  /// How often it was asked for what there is.
  var lists: Int { state.withLock { $0.lists } }
  var asked: [Asked] { state.withLock { $0.asked } }
  var waits: [(generation: UInt64, scope: ProxyScope, time: Duration)] { state.withLock { $0.waits } }
  var statuses: [ReleaseStatus] { state.withLock { $0.statuses } }
  var ledger: [LedgerLine] {
    get { state.withLock { $0.ledger } }
    set { state.withLock { $0.ledger = newValue } }
  }

  func answer(live report: LiveReport) { state.withLock { $0.report = report } }
  func answer(verdict: LedgerVerdict) { state.withLock { $0.verdict = verdict } }
  func fail(_ error: ReleaseError?) { state.withLock { $0.failure = error } }
  func watches(_ watches: [Result<[ReleaseStatus], ReleaseError>]) { state.withLock { $0.watches = watches } }

  /// A release from v1 to v2 of `service` in namespace `shop`, as it is after events.
  @discardableResult
  func add(
    _ service: String = "reviews", number: Int = 1, port: UInt16? = nil,
    steps: [ReleaseStep] = [5, ReleaseStep(25, pause: .for(.seconds(30))), 100], _ events: ReleaseEvent...,
    reason: String = ""
  ) throws -> ReleaseStatus {
    var release = Release(
      id: "\(service).shop-\(number)",
      spec: .canary(of: "\(service).shop", port: port, from: "v1", to: "v2", steps: steps),
      service: NamespacedName(namespace: "shop", name: service), stable: .init(name: "v1", labels: ["version": "v1"]),
      candidate: .init(name: "v2", labels: ["version": "v2"]), baseline: 4, at: Self.start)
    for event in events { try release.take(event, reason: reason, at: Self.start.addingTimeInterval(60)) }
    return keep(release)
  }

  private func keep(_ release: Release) -> ReleaseStatus {
    let status = ReleaseStatus(
      release, service: "\(release.service.name).\(release.service.namespace).svc.cluster.local",
      servedWeight: release.weight, waitsFor: nil, generation: 10 + release.revision,
      capacity: .init(stable: 4, candidate: 2),
      routes: .init(
        divided: ["VirtualService shop/reviews: http[0]"], untouched: ["VirtualService shop/x: http[1]: names v3"]))
    return state.withLock { state in
      state.releases[release.id] = release
      if let index = state.statuses.firstIndex(where: { $0.id == release.id }) {
        state.statuses[index] = status
      } else {
        state.statuses.append(status)
      }
      return status
    }
  }

  // MARK: ReleaseBackend

  private func check() throws {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try check()
    state.withLock { $0.asked.append(Asked(spec: spec, request: request)) }
    let name = String(spec.service.prefix { $0 != "." })
    return keep(
      Release(
        id: "\(name).shop-1", spec: spec, service: NamespacedName(namespace: "shop", name: name),
        stable: .init(name: spec.stable, labels: [:]), candidate: .init(name: spec.candidate, labels: [:]), baseline: 4,
        at: Self.start))
  }

  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try check()
    state.withLock { $0.asked.append(Asked(action: action, id: id, request: request)) }
    let named = try ReleaseStatus.named(id, in: statuses).id
    guard var release = state.withLock({ $0.releases[named] }) else {
      throw ReleaseError(.unknownRelease, "there is no \(id)")
    }
    try release.take(.action(action), reason: request.reason, at: Self.start.addingTimeInterval(60))
    return keep(release)
  }

  func status(of id: String) async throws -> ReleaseStatus {
    try ReleaseStatus.named(id, in: try await list())
  }

  func list() async throws -> [ReleaseStatus] {
    state.withLock { $0.lists += 1 }
    if state.withLock({ $0.failure?.code == .unavailable }) { try check() }
    return state.withLock { $0.statuses }
  }

  func history(of id: String) async throws -> [LedgerLine] { ledger.filter { $0.release == id } }

  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] {
    // In small portions, to be asked more than once.
    Array(ledger.filter { $0.sequence > sequence }.prefix(2))
  }

  func verify(against mark: String?) async throws -> LedgerVerdict {
    state.withLock { state in
      if let mark { state.verdict.finding = "\(mark) is not there" }
      return state.verdict
    }
  }

  func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
    let next = state.withLock { state in state.watches.isEmpty ? nil : state.watches.removeFirst() }
    guard let next else {
      // Nothing more happens.
      return AsyncThrowingStream { _ in }
    }
    let statuses = try next.get()
    return AsyncThrowingStream { continuation in
      for status in statuses { continuation.yield(status) }
      continuation.finish()
    }
  }

  func live(
    _ generation: UInt64, of id: String, on scope: ProxyScope, within time: Duration
  ) async throws -> LiveReport {
    state.withLock { state in
      state.waits.append((generation, scope, time))
      var report = state.report
      report.generation = generation
      return report
    }
  }
}

/// What a command wrote.
final class Written: Sendable {
  private let texts = Mutex<(output: String, errors: String)>(("", ""))
  var output: String { texts.withLock { $0.output } }
  var errors: String { texts.withLock { $0.errors } }

  func console(_ backend: any ReleaseBackend, json: Bool = false) -> ReleaseConsole {
    ReleaseConsole(
      backend: backend, json: json, write: { text in self.texts.withLock { $0.output += text } },
      complain: { text in self.texts.withLock { $0.errors += text } })
  }
}
