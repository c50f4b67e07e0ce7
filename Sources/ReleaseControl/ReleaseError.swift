/// Why a release could not be started or moved. Nothing has changed.
public struct ReleaseError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
  public enum Code: String, Sendable, Hashable, Codable, CaseIterable {
    /// What was asked for makes no sense.
    case invalid
    case unknownRelease
    case unknownService
    /// The generation is of a process before this one, of which nobody knows any longer what it had.
    case unknownGeneration
    /// No proxy of this node id is waited for.
    case unknownProxy
    /// The release is in a state that does not take this.
    case notAllowed
    /// Another release of the service is under way, or has left it at another version.
    case alreadyReleased
    /// Somebody has moved the release since it was looked at.
    case stale
    case notEnoughCapacity
    /// The idempotency key was used for something else.
    case keyReused
    /// The change could not be made durable.
    case notDurable
    /// The server does not take changes from whoever asks.
    case unauthorized
    /// It is applied, and not live everywhere in time.
    case notLive
    /// The server that it was asked of does not answer, or is going down.
    case unavailable
  }

  public var code: Code
  public var message: String
  /// The release that it is about; nil if there is none.
  public var release: String?
  /// What the release takes now.
  public var allowedNow: [ReleaseEvent.Kind]

  public init(_ code: Code, _ message: String, release: String? = nil, allowedNow: [ReleaseEvent.Kind] = []) {
    self.code = code
    self.message = message
    self.release = release
    self.allowedNow = allowedNow
  }

  public var description: String { message }

  static func notAllowed(_ kind: ReleaseEvent.Kind, _ release: Release) -> ReleaseError {
    let allowed = release.state.allowedActions
    let names = allowed.map(\.rawValue).joined(separator: ", ")
    return ReleaseError(
      .notAllowed,
      "\(kind.rawValue) is not allowed: release \(release.id) is \(release.state.phrase); allowed now: "
        + (names.isEmpty ? "nothing" : names), release: release.id, allowedNow: allowed)
  }
}

extension ReleaseState {
  /// As part of a sentence: "the release is …".
  public var phrase: String {
    switch self {
    case .running: "running"
    case .awaitingApproval: "waiting for an approval"
    case .manual: "at a weight that was set by hand"
    case .paused: "paused"
    case .frozen: "frozen by a guard rail"
    case .keepingWarm: "done, and keeps the old version warm"
    case .succeeded: "done"
    case .rolledBack: "rolled back"
    case .aborted: "aborted"
    case .retired: "retired"
    }
  }
}
