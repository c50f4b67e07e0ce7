import Foundation
import ReleaseControl
import TrafficModel
import Weir

/// Releases in words.
enum ReleaseText {
  /// `reviews.shop-3: 25 % on v2, waiting for an approval (step 2 of 4); generation 17, revision 4`
  static func line(_ status: ReleaseStatus) -> String {
    let state = status.state.phrase + place(status)
    var text = "\(status.id): " + (status.state.isInForce ? "\(share(status)), \(state)" : "\(state), \(share(status))")
    text += "; generation \(status.generation), revision \(status.revision)"
    if let waits = status.waitsFor { text += "; waits: \(waits)" }
    if let reason = status.notDurable { text += "; NOT DURABLE YET, and tried again until it is: \(reason)" }
    return TextTable.printable(text)
  }

  /// What the candidate gets.
  static func share(_ status: ReleaseStatus) -> String {
    guard status.state.isInForce else { return "routes are as the manifests say" }
    var text = "\(status.weight) on \(status.to)"
    if status.servedWeight != status.weight { text += " (served now: \(status.servedWeight))" }
    if status.mirror > .none { text += ", \(status.mirror) mirrored" }
    return text
  }

  /// ` (step 2 of 4)`; empty when it is not at a step.
  static func place(_ status: ReleaseStatus) -> String {
    switch status.state {
    case .running, .awaitingApproval, .paused, .frozen:
      status.step < 0
        ? " (before step 1 of \(status.steps.count))" : " (step \(status.step + 1) of \(status.steps.count))"
    case .manual, .keepingWarm, .succeeded, .rolledBack, .aborted, .retired: ""
    }
  }

  /// `5 % (30s) > [25 % (approval)] > 100 %`
  static func steps(_ status: ReleaseStatus) -> String {
    status.steps.enumerated().map { index, step in
      var text = "\(step.weight)"
      if step.mirror > .none { text += " mirror \(step.mirror)" }
      switch step.pause {
      case .time(let time): text += " (\(TimeText.flag(milliseconds: time.milliseconds)))"
      case .untilApproved: text += " (approval)"
      case ReleasePause.none?, nil: break
      }
      return index == status.step && !status.state.isFinished ? "[\(text)]" : text
    }.joined(separator: " > ")
  }

  /// What comes next, and when; nil if nothing does by itself or by an approval.
  static func next(_ status: ReleaseStatus, now: Date) -> String? {
    if let waits = status.waitsFor {
      if status.state == .awaitingApproval, let next = status.nextWeight {
        return "\(next) when approved; waits: \(waits)"
      }
      return (status.nextWeight.map { "\($0) " } ?? "") + "when it can; waits: \(waits)"
    }
    if status.state == .awaitingApproval { return status.nextWeight.map { "\($0) when approved" } }
    if status.state == .keepingWarm, let due = status.dueAt {
      return "done in \(TimeText.interval(due.timeIntervalSince(now)))"
    }
    guard status.state == .running || status.state == .manual else { return nil }
    let what = status.nextWeight.map { "\($0)" } ?? "done"
    if status.state == .manual, status.nextWeight == nil { return nil }
    guard let due = status.dueAt else { return "\(what), some time after this is live on all proxies" }
    return "\(what) in \(TimeText.interval(due.timeIntervalSince(now)))"
  }

  static func strategy(_ strategy: ReleaseSpec.Strategy) -> String {
    switch strategy {
    case .canary: "canary"
    case .blueGreen: "blue-green"
    case .rules: "rules"
    case .mirrorFirst: "mirror-first"
    }
  }

  /// As a flag takes it: `header:x-user=jason&cookie:beta`
  static func rule(_ rule: RequestRule) -> String {
    let parts = [("header", rule.headers), ("cookie", rule.cookies), ("query", rule.queryParameters)]
    return parts.flatMap { kind, conditions in
      conditions.sorted { $0.key < $1.key }.map { name, match in
        switch match {
        case .present: "\(kind):\(name)"
        case .exact(let text): "\(kind):\(name)=\(text)"
        case .prefix(let text): "\(kind):\(name)^=\(text)"
        case .regex(let text): "\(kind):\(name)~=\(text)"
        }
      }
    }.joined(separator: "&")
  }

  /// `1 ready at least, 100 % of the capacity; too few: refuse; none: freeze-and-roll-back`
  static func guards(_ rails: GuardRails) -> String {
    let empty =
      switch rails.onEmpty {
      case .fail: "fail"
      case .spill: "spill"
      case .freezeAndRollBack: "freeze-and-roll-back"
      }
    return
      "\(rails.minimumReady) ready at least, \(rails.capacity) of the capacity; too few: \(rails.onShortfall.rawValue); "
      + "none: \(empty)"
  }

  /// All of it, a line for each thing.
  static func full(_ status: ReleaseStatus, now: Date) -> String {
    var rows: [(String, String)] = [
      ("release", "\(status.id), revision \(status.revision)"),
      ("service", status.service + (status.port.map { ", port \($0)" } ?? "")),
      ("strategy", "\(strategy(status.strategy)) from \(status.from) to \(status.to)"),
      ("state", status.state.phrase + place(status) + (status.reason.isEmpty ? "" : ": \(status.reason)")),
      ("weight", share(status)),
      ("steps", steps(status)),
    ]
    if let next = next(status, now: now) { rows.append(("next", next)) }
    rows += status.rules.map { ("rule", "\(rule($0)) to \(status.to)") }
    if let host = status.previewHost { rows.append(("preview", "\(host) leads to \(status.to)")) }
    rows.append(("guards", guards(status.guardRails)))
    rows.append(
      (
        "live",
        "generation \(status.generation), "
          + (status.liveAt.map { "on all proxies since \(TimeText.moment($0))" } ?? "not on all proxies yet")
      ))
    if let reason = status.notDurable { rows.append(("durable", "not yet, and tried again until it is: \(reason)")) }
    rows.append(("ready", "\(status.capacity.stable) of \(status.from), \(status.capacity.candidate) of \(status.to)"))
    rows += status.routes.divided.map { ("divides", $0) }
    rows += status.routes.untouched.map { ("leaves", $0) }
    rows.append(("started", "\(TimeText.moment(status.startedAt)), changed \(TimeText.moment(status.changedAt))"))
    let allowed = status.allowedNow.map(\.rawValue).joined(separator: ", ")
    rows.append(("you can", allowed.isEmpty ? "do nothing any more" : allowed))
    var last = ""
    return rows.map { name, text in
      defer { last = name }
      return (name == last ? "" : name).padded(to: 10) + TextTable.printable(text) + "\n"
    }.joined()
  }

  static func table(_ releases: [ReleaseStatus], now: Date) -> String {
    guard !releases.isEmpty else { return "no releases\n" }
    return TextTable(
      header: ["RELEASE", "STRATEGY", "FROM", "TO", "WEIGHT", "STEP", "LIVE", "CHANGED", "STATE"],
      lines: releases.map { status in
        .cells(
          [
            status.id, strategy(status.strategy), status.from, status.to,
            status.state.isInForce ? "\(status.servedWeight)" : "-",
            status.state.isFinished ? "-" : "\(status.step + 1)/\(status.steps.count)",
            status.liveAt == nil ? "no" : "yes",
            TimeText.interval(now.timeIntervalSince(status.changedAt)) + " ago", status.state.phrase,
          ].map(TextTable.printable))
      }
    ).text
  }
}
