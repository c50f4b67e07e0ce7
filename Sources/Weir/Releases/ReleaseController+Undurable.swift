internal import Foundation
internal import Logging
internal import ReleaseControl
internal import ReleaseStores
internal import TrafficModel

// The way back waits for no disk. If it cannot be kept it is served all the same, the answer says so (`notDurable`), and it is
// kept as soon as that works; until then nothing else is done to the release.
extension ReleaseController {
  /// A change that is served, and not kept yet.
  struct Undurable: Sendable {
    var changed: [(release: Release, from: Weight)]
    var action: String
    var request: ReleaseRequest
    var fingerprint: String
    var at: Timestamp
    var generation: UInt64 = 0
    /// Why it could not be kept.
    var reason: String
  }

  /// How long until it is tried again.
  private static let keepingDelay = Duration.seconds(1)

  /// Tries until a change is kept that is served already.
  func keepLater(_ change: Undurable, _ id: String, of service: NamespacedName) {
    undurable[id] = change
    logger.critical(
      "a rollback is served and is not durable yet", metadata: ["release": "\(id)", "error": "\(change.reason)"])
    keepers[id] = Task {
      while (try? await self.clock.sleep(Self.keepingDelay)) != nil {
        guard (try? await self.alone(on: service, { try await $0.settle(id) })) != nil else { continue }
        // That it is live may wait to be kept, too.
        self.drive(id)
        break
      }
      self.keepers[id] = nil
    }
  }

  /// Keeps what could not be kept before, if there is something.
  ///
  /// - Throws: `notDurable` if it still cannot.
  func settle(_ id: String) async throws {
    guard let change = undurable[id], let (release, _) = change.changed.last else { return }
    var answer: ReleaseStatus?
    if change.request.idempotencyKey != nil {
      answer = await status(of: release)
      answer?.notDurable = nil
    }
    do {
      try await keep(
        change.changed, action: change.action, change.request, change.fingerprint, at: change.at, answer: answer,
        mayUseReserve: true)
    } catch let error as ReleaseError where error.code == .notDurable {
      undurable[id]?.reason = error.message
      throw ReleaseError(
        .notDurable, "\(id) was rolled back, and that could not be kept yet: \(error.message)", release: id,
        allowedNow: release.state.allowedActions)
    }
    undurable[id] = nil
    unsaid[id]?.generation = change.generation
    if let present = releases[id] { await tell(present) }
  }

  /// The last attempts, and what is lost with this process.
  func settleAll() async {
    for keeper in keepers.values { keeper.cancel() }
    for keeper in keepers.values { await keeper.value }
    keepers = [:]
    for id in undurable.keys.sorted() {
      do {
        try await settle(id)
      } catch {
        logger.critical("a rollback is lost at the next start", metadata: ["release": "\(id)", "error": "\(error)"])
      }
    }
  }
}

extension ReleaseControl.ReleaseEvent {
  /// Whether it is carried out even if it cannot be kept: what gives the stable version everything.
  var isWayBack: Bool { kind == .rollback || kind == .trip }
}
