import EnvoyHarness

/// Something that was asked of a server, and what was heard of it.
struct Attempt: Sendable {
  enum Outcome: Sendable {
    /// With the release's status as it was answered.
    case acknowledged(JSON)
    case refused(WeirReleases.Refusal)
    /// The server went before it answered.
    case unheard

    /// Whether it was refused since no route leads where the release is to start from.
    var isIdle: Bool {
      guard case .refused(let refusal) = self else { return false }
      return refusal.code == "invalid" && refusal.message.contains("there is nothing to divide")
    }
  }

  /// The words by which the ledger's entry is known; also the idempotency key.
  var reason: String
  var service: Int
  /// Nil for a start.
  var release: String?
  var action: String
  var body: String
  var outcome = Outcome.unheard

  /// Asks, once.
  func asked(of releases: WeirReleases) async -> Attempt {
    var attempt = self
    do {
      let status =
        if let release {
          try await releases.move(release, action, body, key: reason)
        } else {
          try await releases.start(body, key: reason)
        }
      attempt.outcome = .acknowledged(status)
    } catch let refusal as WeirReleases.Refusal {
      attempt.outcome = .refused(refusal)
    } catch {
      attempt.outcome = .unheard
    }
    return attempt
  }
}

/// Asks for one service, one thing after the other, until the server has gone.
struct Worker: Sendable {
  var service: Int
  var host: String
  var random: SeededRandom
  var releases: WeirReleases
  /// The first number of its reasons; no two workers have the same.
  var label: String

  /// - Parameter heard: called after each answer.
  func run(_ heard: @Sendable () -> Void) async -> [Attempt] {
    var random = random
    var attempts: [Attempt] = []
    var status: JSON?
    do {
      status = try await releases.list().last { $0["service"].string?.hasPrefix(host) == true }
    } catch { return [] }
    while true {
      let reason = "\(label)-\(attempts.count)"
      let state = status?["state"].string ?? "none"
      let isOver = ["none", "succeeded", "rolledBack", "aborted", "retired"].contains(state)
      let move = status.flatMap { randomMove($0, reason: reason, using: &random) }
      var attempt: Attempt
      if isOver, move == nil || Int.random(in: 0..<3, using: &random) > 0 {
        let isOnCandidate = state == "succeeded"
        let present = (isOnCandidate ? status?["to"].string : status?["from"].string) ?? "v1"
        let spec = randomSpec(
          of: host, from: present, to: present == "v1" ? "v2" : "v1", reason: reason, using: &random)
        attempt = Attempt(reason: reason, service: service, release: nil, action: "start", body: spec)
      } else if let move, let id = status?["id"].string {
        attempt = Attempt(reason: reason, service: service, release: id, action: move.action, body: move.body)
      } else {
        return attempts
      }
      attempt = await attempt.asked(of: releases)
      attempts.append(attempt)
      switch attempt.outcome {
      case .acknowledged(let answer):
        heard()
        status = answer
      case .refused:
        // It has moved by itself.
        guard let id = status?["id"].string, let fresh = try? await releases.status(of: id) else { return attempts }
        status = fresh
      case .unheard: return attempts
      }
    }
  }
}
