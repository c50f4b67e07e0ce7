import AdminServer
import Foundation
import ReleaseControl
import Synchronization
import TrafficModel

/// Releases that remember what they were asked, and answer what the test sets.
final class FakeReleases: ReleaseDataSource {
  enum Call: Sendable, Hashable {
    case start(ReleaseSpec, ReleaseRequest)
    case perform(ReleaseAction, String, ReleaseRequest)
    case ledger(UInt64, Int, String?)
    case live(ReleaseLiveRequest, String)
  }

  struct State: Sendable {
    var calls: [Call] = []
    var error: (any Error)?
    var list: [ReleaseStatus] = [.example()]
    var lines: [LedgerLine] = [.example(1), .example(2)]
    var watchers: [AsyncThrowingStream<ReleaseStatus, any Error>.Continuation] = []
    var endedWatches = 0
    /// Whether `live` waits for as long as it is asked to.
    var holdsPolls = false
    var polls = 0
  }

  let state = Mutex(State())
  private let watches = AsyncStream.makeStream(of: Bool.self)

  var calls: [Call] { state.withLock { $0.calls } }

  private func answer(_ call: Call? = nil) throws -> ReleaseStatus {
    try state.withLock { state in
      if let call { state.calls.append(call) }
      if let error = state.error { throw error }
      return state.list[0]
    }
  }

  func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try answer(.start(spec, request))
  }

  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try answer(.perform(action, id, request))
  }

  func status(of id: String) async throws -> ReleaseStatus {
    guard id == "reviews.shop-1" else {
      throw ReleaseError(.unknownRelease, "there is no release \(id)", release: id)
    }
    return try answer()
  }

  func list() async throws -> [ReleaseStatus] { state.withLock { $0.list } }

  func history(of id: String) async throws -> [LedgerLine] { state.withLock { $0.lines } }

  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] {
    _ = try answer(.ledger(sequence, limit, release))
    return state.withLock { $0.lines }
  }

  func verify(against mark: String?) async throws -> LedgerVerdict {
    LedgerVerdict(entries: 2, finding: mark ?? "entry 2 was changed")
  }

  func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
    let status = try await status(of: id)
    let (stream, continuation) = AsyncThrowingStream.makeStream(
      of: ReleaseStatus.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(16))
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.endedWatches += 1 }
      self?.watches.continuation.yield(false)
    }
    continuation.yield(status)
    state.withLock { $0.watchers.append(continuation) }
    watches.continuation.yield(true)
    return stream
  }

  func forgetProxy(_ nodeID: String, _ request: ReleaseRequest) async throws -> ForgottenProxy {
    guard nodeID == "gone" else { throw ReleaseError(.unknownProxy, "no proxy \(nodeID) is waited for") }
    return ForgottenProxy(node: nodeID, forgotten: 1)
  }

  func live(_ request: ReleaseLiveRequest, of id: String) async throws -> LiveReport {
    _ = try answer(.live(request, id))
    let holds = state.withLock { state in
      state.polls += 1
      return state.holdsPolls
    }
    if holds { try? await Task.sleep(for: request.wait) }
    return LiveReport(
      generation: 3, isLive: false, scope: request.scope, total: 2, live: 1,
      laggards: [.init(node: "b", address: "127.0.0.1:2", state: "refused", reasons: ["no"])])
  }

  /// Tells every watcher.
  func tell(_ status: ReleaseStatus) { for watcher in state.withLock({ $0.watchers }) { watcher.yield(status) } }

  /// Returns when a watch has begun, or ended.
  func waitForWatch(toBegin: Bool) async {
    for await begun in watches.stream where begun == toBegin { return }
  }
}

extension ReleaseStatus {
  static func example(revision: UInt64 = 1, steps: [ReleaseStep] = [5, 100]) -> ReleaseStatus {
    let spec = ReleaseSpec.canary(of: "reviews.shop", from: "v1", to: "v2", steps: steps)
    var release = Release(
      id: "reviews.shop-1", spec: spec, service: NamespacedName(namespace: "shop", name: "reviews"),
      stable: .init(name: "v1", labels: ["version": "v1"]), candidate: .init(name: "v2", labels: ["version": "v2"]),
      baseline: 3, at: Date(timeIntervalSince1970: 1_700_000_000))
    for weight in 1..<revision {
      _ = try? release.take(.action(.setWeight(Weight(basisPoints: Int(weight)) ?? .none)), at: release.startedAt)
    }
    return ReleaseStatus(
      release, service: "reviews.shop.svc.cluster.local", servedWeight: release.weight, waitsFor: nil, generation: 7,
      capacity: ReleaseCapacity(stable: 3, candidate: 2), routes: ReleasedRouteList(divided: ["a"], untouched: ["b: c"])
    )
  }
}

extension LedgerLine {
  static func example(_ sequence: UInt64) -> LedgerLine {
    LedgerLine(
      sequence: sequence, release: "reviews.shop-1", service: "reviews.shop.svc.cluster.local",
      at: Date(timeIntervalSince1970: 1_700_000_000), action: "set-weight", actor: "me", reason: "because",
      fromWeight: 5,
      toWeight: 0.05, generation: 3, liveEverywhereAt: nil, refersTo: nil, outcome: "manual",
      attributes: ["step": "0"], previousHash: String(repeating: "0", count: 64),
      hash: String(repeating: "a1", count: 32))
  }
}
