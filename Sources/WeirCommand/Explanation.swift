import AdminServer
import Foundation

/// Why a resource changed last, for people.
struct Explanation {
  let text: String
  /// How many resources are explained at once.
  static let shown = 20

  /// - Parameter name: a resource or virtual host, or a part of its name; nil for whatever changed last.
  /// - Throws: `CommandFailure` if nothing that is kept tells.
  init(_ list: ChangeList, of name: String?) throws {
    guard list.kept > 0 else {
      throw CommandFailure("changes are not recorded: `weir serve` runs with --changes 0")
    }
    func matches(_ changed: ChangeReport.Changed) -> Bool { name.map { changed.name.contains($0) } ?? true }
    guard let change = list.changes.first(where: { $0.changed.contains(where: matches) }) else {
      let what = name.map { "\($0) changed in none" } ?? "nothing that is served changed in any"
      throw CommandFailure("\(what) of the last \(list.changes.count) changes")
    }
    var lines = ["generation \(change.generation), \(change.at.formatted(.iso8601))"]
    let all = change.changed.filter(matches)
    for changed in all.prefix(Self.shown) {
      lines.append("\(changed.type.rawValue) \(changed.name)")
      let chain = change.chain(of: changed)
      if chain.isEmpty { lines.append("  not recorded: it was one of very many at once") }
      for step in chain { lines.append("  " + Self.text(of: step)) }
    }
    if all.count > Self.shown { lines.append("and \(all.count - Self.shown) more; name one to see why it changed") }
    if change.omittedSteps > 0 { lines.append("\(change.omittedSteps) further steps were not recorded") }
    text = lines.map { TextTable.printable($0) + "\n" }.joined()
  }

  private static func text(of step: ChangeReport.Step) -> String {
    switch step.kind {
    case .edited:
      "edit of \(step.object ?? step.unit)" + (step.place.map { " in \($0)" } ?? "")
    case .ran: "because \(step.unit) ran"
    case .removed: "because \(step.unit) was removed"
    case .regrouped: "because \(step.unit) has other members"
    }
  }
}
