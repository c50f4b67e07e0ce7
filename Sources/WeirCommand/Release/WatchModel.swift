import Foundation
import ReleaseControl
import Weir

/// What is learned of a release while it is watched.
enum WatchEvent: Sendable {
  case status(ReleaseStatus)
  case live(LiveReport)
  /// The last entries of its history.
  case history([LedgerLine])
  /// The server does not answer; whoever watches tries again.
  case lost(String)
}

/// What is known of a release that is watched.
struct WatchModel {
  private(set) var status: ReleaseStatus?
  private(set) var live: LiveReport?
  private(set) var history: [LedgerLine] = []
  /// Why the server cannot be asked, and since when.
  private(set) var trouble: (message: String, since: Date)?

  /// Takes an event.
  ///
  /// - Returns: what a log says of it: a line for each change.
  mutating func take(_ event: WatchEvent, at now: Date) -> [String] {
    var lines: [String] = []
    switch event {
    case .lost: break
    case .status, .live, .history:
      if trouble != nil { lines.append("the server answers again") }
      trouble = nil
    }
    switch event {
    case .status(let new):
      let line = ReleaseText.line(new)
      if status.map(ReleaseText.line) != line { lines.append(line) }
      status = new
      // The report of another generation says nothing of this one.
      if live?.generation != new.generation { live = nil }
    case .live(let report):
      // One that was on its way when the generation changed.
      guard report.generation >= status?.generation ?? 0 else { break }
      if live.map(Self.line) != Self.line(report) { lines.append(Self.line(report)) }
      live = report
    case .history(let entries): history = entries
    case .lost(let message):
      if trouble == nil { lines.append("no answer from the server: \(message); trying again") }
      trouble = (message, trouble?.since ?? now)
    }
    return lines.map { "\(TimeText.moment(now)) \(TextTable.printable($0))" }
  }

  /// As the report's description, with a few of many laggards.
  private static func line(_ report: LiveReport) -> String {
    var short = report
    short.laggards = Array(report.laggards.prefix(5))
    let rest = report.laggards.count - short.laggards.count
    return "\(short)" + (rest > 0 ? "; and \(rest) more" : "")
  }
}
