import Foundation
import ReleaseControl
import TrafficModel
import Weir

/// A release as it is drawn on a terminal: no line is wider than that, and there are no more than it has rows.
struct WatchPicture {
  let lines: [String]

  init(_ model: WatchModel, server: String, now: Date, size: Terminal.Size) {
    var picture = Canvas(columns: max(1, size.columns))
    guard let status = model.status else {
      picture.add(Self.connection(model, server, now))
      lines = Array(picture.lines.prefix(max(1, size.rows)))
      return
    }
    picture.add("\(status.id)  \(ReleaseText.strategy(status.strategy)), revision \(status.revision)")
    if status.state.isInForce {
      picture.addShare(status.from, status.servedWeight.complement, of: status)
      picture.addShare(status.to, status.servedWeight, of: status)
    } else {
      picture.add("weights", ReleaseText.share(status))
    }
    let age = TimeText.interval(now.timeIntervalSince(status.changedAt))
    picture.add("state", "\(status.state.phrase)\(ReleaseText.place(status)), for \(age)")
    picture.add("live", Self.live(model.live, status))
    picture.add("steps", Self.steps(status, columns: picture.room))
    if let next = ReleaseText.next(status, now: now) { picture.add("next", next) }
    if !status.reason.isEmpty { picture.add("reason", status.reason) }
    picture.add("ready", "\(status.from) \(status.capacity.stable), \(status.to) \(status.capacity.candidate)")
    let laggards = model.live?.laggards ?? []
    for laggard in laggards.prefix(Self.shown) {
      picture.add("  \(laggard.node): \(laggard.state)" + (laggard.reasons.first.map { ", \($0)" } ?? ""))
    }
    if laggards.count > Self.shown { picture.add("  and \(laggards.count - Self.shown) more") }

    // The last line is kept for how the server is; the history gets what is left.
    let rows = max(1, size.rows)
    var upper = Array(picture.lines.prefix(rows - 1))
    let room = rows - 1 - upper.count
    if room > 1, !model.history.isEmpty {
      upper.append("")
      for entry in HistoryEntry.entries(of: model.history).suffix(room - 1) {
        upper.append(TextTable.printable(Self.entry(entry)).clipped(to: picture.columns))
      }
    }
    let footer = TextTable.printable(Self.connection(model, server, now)).clipped(to: picture.columns)
    lines = Array((upper + [footer]).prefix(rows))
  }

  private static let shown = 5

  private static func connection(_ model: WatchModel, _ server: String, _ now: Date) -> String {
    guard let trouble = model.trouble else {
      return model.status == nil ? "asking \(server)" : "\(server); Ctrl-C ends"
    }
    let since = TimeText.interval(now.timeIntervalSince(trouble.since))
    return "no answer for \(since), trying again: \(trouble.message)"
  }

  private static func live(_ report: LiveReport?, _ status: ReleaseStatus) -> String {
    guard let report else { return "generation \(status.generation)" }
    let proxies = "\(report.live) of \(report.total) \(report.total == 1 ? "proxy" : "proxies")"
    return proxies + (report.isLive ? "" : ", not everywhere yet") + ", generation \(report.generation)"
  }

  /// All steps, or where they do not fit, the present one.
  private static func steps(_ status: ReleaseStatus, columns: Int) -> String {
    let all = ReleaseText.steps(status)
    guard all.columns > columns else { return all }
    let present = status.steps.indices.contains(status.step) ? ", \(status.steps[status.step].weight)" : ""
    return "\(status.step + 1) of \(status.steps.count)\(present)"
  }

  private static func entry(_ entry: HistoryEntry) -> String {
    let parts: [String?] = [
      entry.line.at.formatted(Date.ISO8601FormatStyle().time(includingFractionalSeconds: false)), entry.action,
      entry.weights, entry.liveAfter.map { "live after \($0)" }, entry.line.actor, entry.line.reason,
    ]
    return parts.compactMap(\.self).filter { !$0.isEmpty }.joined(separator: "  ")
  }
}

/// Lines of a picture, cut to its width.
private struct Canvas {
  let columns: Int
  private(set) var lines: [String] = []

  init(columns: Int) { self.columns = columns }

  /// Names stand in a column of their own where there is room for it.
  private var margin: Int { columns < 50 ? 0 : 8 }
  /// For what stands beside a name.
  var room: Int { max(1, columns - max(margin, 7)) }

  mutating func add(_ text: String) { lines.append(TextTable.printable(text).clipped(to: columns)) }

  mutating func add(_ name: String, _ text: String) { add((name + " ").padded(to: margin) + text) }

  /// `v2        25 %  ##########..............................`
  mutating func addShare(_ subset: String, _ weight: Weight, of status: ReleaseStatus) {
    let name = max(status.from.columns, status.to.columns)
    let label = subset.padded(to: max(name + 1, margin)) + String("      \(weight)".suffix(7))
    let width = min(50, columns - label.columns - 2)
    guard width >= 5 else { return add(label) }
    // Whoever has anything gets a mark.
    let full = weight == .none ? 0 : max(1, Int(weight.basisPoints) * width / Int(Weight.all.basisPoints))
    add(label + "  " + String(repeating: "#", count: full) + String(repeating: ".", count: width - full))
  }
}
