import EnvoyHarness
import Foundation

/// What the demo has shown, as a table, and what was not as it should be.
struct Outcome {
  /// One true share in so many would be judged wrong: with three sidecars and nine steps a run fails by chance once in
  /// some thousands.
  static let doubt = 1e-5

  let table: String
  private(set) var complaints: [String]

  init(steps: [DemoRun.Step], sidecars: [String], complaints: [String]) {
    self.complaints = complaints
    var rows = [
      ["step", "set", "observed", "bound (99.999 %)"] + sidecars + ["requests", "failed", "live everywhere after"]
    ]
    for step in steps {
      let share = Double(step.set) / 100
      let all = step.measured.reduce(0) { $0 + $1.all }
      let candidate = step.measured.reduce(0) { $0 + $1.candidate }
      let bound = BinomialBound(requests: all, share: share, doubt: Self.doubt)
      var row = [
        step.name, "\(step.set) %", Self.percent(candidate, all),
        "\(Self.percent(bound.lowest, all)) … \(Self.percent(bound.highest, all))",
      ]
      for (name, (all, candidate)) in zip(["all sidecars"] + sidecars, [(all, candidate)] + step.measured) {
        let bound = BinomialBound(requests: all, share: share, doubt: Self.doubt)
        if all == 0 || !bound.contains(candidate) {
          self.complaints.append(
            "\(step.name), \(name): \(candidate) of \(all) requests went to the candidate, and \(bound.lowest) to "
              + "\(bound.highest) may")
        }
      }
      row += step.measured.map { "\($0.candidate) of \($0.all)" }
      row += ["\(step.requests)", "\(step.failed)", "\(step.liveAfter.milliseconds) ms"]
      rows.append(row)
      if step.failed > 0 { self.complaints.append("\(step.name): \(step.failed) requests failed") }
    }
    let total = steps.reduce(into: (0, 0)) { $0 = ($0.0 + $1.requests, $0.1 + $1.failed) }
    rows.append(
      ["in all", "", "", ""] + sidecars.map { _ in "" } + ["\(total.0)", "\(total.1)", ""])
    table = Self.lines(rows)
  }

  private static func percent(_ count: Int, _ all: Int) -> String {
    let hundredths = all == 0 ? 0 : (count * 10_000 + all / 2) / all
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) %"
  }

  private static func lines(_ rows: [[String]]) -> String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    func padded(_ row: [String]) -> String {
      zip(row, widths).enumerated().map { index, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return index == 0 ? cell.0 + space : space + cell.0
      }.joined(separator: "  ")
    }
    var lines = rows.map(padded)
    lines.insert(String(repeating: "-", count: lines[0].count), at: 1)
    return lines.joined(separator: "\n")
  }
}
