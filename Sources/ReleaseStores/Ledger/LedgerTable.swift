/// The history of releases for people: a line for each action. When it was live everywhere stands in its line, and not in one
/// of its own. The cells are as they were written: whoever prints them sees to it that no text steers the terminal.
public struct LedgerTable: Sendable {
  public static let header = [
    "#", "TIME", "HOST", "ACTOR", "ACTION", "WEIGHT", "GENERATION", "LIVE AFTER", "OUTCOME", "REASON",
  ]

  /// As many cells as the header.
  public var rows: [[String]]

  /// - Parameter entries: in order. What refers to an entry that is not among them has a line of its own.
  public init(_ entries: [LedgerEntry]) {
    var live: [UInt64: LedgerStatement] = [:]
    let there = Set(entries.map(\.sequence))
    func isFolded(_ statement: LedgerStatement) -> Bool {
      statement.action == LedgerStatement.liveEverywhere && statement.refersTo.map(there.contains) ?? false
    }
    for entry in entries where isFolded(entry.statement) { live[entry.statement.refersTo ?? 0] = entry.statement }
    rows = entries.filter { !isFolded($0.statement) }.map { entry in
      let statement = entry.statement
      let liveAt = statement.liveEverywhereAt ?? live[entry.sequence]?.liveEverywhereAt
      return [
        "\(entry.sequence)", statement.at.description, statement.host, statement.actor, statement.action,
        Self.weights(statement), statement.generation.map { "\($0)" } ?? "-",
        liveAt.map { Self.interval($0 - statement.at) } ?? "-", statement.outcome.isEmpty ? "-" : statement.outcome,
        statement.reason.isEmpty ? "-" : statement.reason,
      ]
    }
  }

  private static func weights(_ statement: LedgerStatement) -> String {
    switch (statement.fromWeight, statement.toWeight) {
    case (nil, nil): "-"
    case (let from?, nil): percent(from)
    case (nil, let to?): "→ \(percent(to))"
    case (let from?, let to?): from == to ? percent(to) : "\(percent(from)) → \(percent(to))"
    }
  }

  /// `25%`, `0.05%`
  private static func percent(_ basisPoints: UInt32) -> String {
    let (whole, rest) = (basisPoints / 100, basisPoints % 100)
    if rest == 0 { return "\(whole)%" }
    let digits = rest < 10 ? "0\(rest)" : "\(rest)"
    return "\(whole).\(digits.last == "0" ? String(digits.dropLast()) : digits)%"
  }

  private static func interval(_ duration: Duration) -> String {
    let milliseconds = duration.components.seconds * 1_000 + duration.components.attoseconds / 1_000_000_000_000_000
    return milliseconds < 10_000 ? "\(milliseconds) ms" : "\(milliseconds / 1_000) s"
  }
}
