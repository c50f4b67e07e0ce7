import Foundation
import ReleaseControl
import TrafficModel

/// The ledger as a table.
struct HistoryText {
  let text: String

  init(_ lines: [LedgerLine]) {
    guard !lines.isEmpty else {
      text = "nothing was done\n"
      return
    }
    text =
      TextTable(
        header: ["NO", "TIME", "RELEASE", "ACTION", "WEIGHT", "ACTOR", "LIVE AFTER", "STATE", "REASON"],
        lines: HistoryEntry.entries(of: lines).map { entry in
          .cells(
            [
              "\(entry.line.sequence)", TimeText.moment(entry.line.at), entry.line.release, entry.action,
              entry.weights ?? "-", entry.line.actor.isEmpty ? "-" : entry.line.actor, entry.liveAfter ?? "-",
              entry.line.outcome, entry.line.reason,
            ].map(TextTable.printable))
        }
      ).text
  }
}

/// An entry of the ledger for people, with when it was live everywhere, if that is known.
struct HistoryEntry {
  var line: LedgerLine
  private var liveAt: Date?

  /// That an entry is live everywhere is an entry of its own, and is told with the one that it is about.
  static func entries(of lines: [LedgerLine]) -> [HistoryEntry] {
    let shown = Set(lines.map(\.sequence))
    var liveAt: [UInt64: Date] = [:]
    var own: [LedgerLine] = []
    for line in lines {
      if line.action == "live-everywhere", let about = line.refersTo, shown.contains(about) {
        liveAt[about] = line.liveEverywhereAt ?? line.at
      } else {
        own.append(line)
      }
    }
    return own.map { HistoryEntry(line: $0, liveAt: liveAt[$0.sequence] ?? $0.liveEverywhereAt) }
  }

  /// `set-weight`, `served of 3`
  var action: String {
    line.refersTo.map { "\(line.action) of \($0)" } ?? line.action
  }

  /// `5 % > 25 %`; nil if it is about no weight.
  var weights: String? {
    switch (line.fromWeight, line.toWeight) {
    case (let from?, let to?): from == to ? "\(to)" : "\(from) > \(to)"
    case (nil, let to?): "\(to)"
    default: nil
    }
  }

  /// `250ms`, `12s`: below ten seconds milliseconds matter.
  var liveAfter: String? {
    guard let interval = liveAt?.timeIntervalSince(line.at) else { return nil }
    return interval < 10 ? "\(Int((max(0, interval) * 1000).rounded()))ms" : TimeText.interval(interval)
  }
}
