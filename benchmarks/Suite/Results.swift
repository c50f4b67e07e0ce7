import Foundation

/// The directory of results: raw figures of each measurement as lines of JSON, and what is drawn and written from them.
struct Results {
  let directory: URL
  let effort: Effort
  private(set) var figures = Figures()
  /// Why measurements gave no figures, by name.
  private(set) var failures: [String: String] = [:]

  init(_ path: String, _ effort: Effort) throws {
    directory = URL(fileURLWithPath: path)
    self.effort = effort
    try FileManager.default.createDirectory(at: raw, withIntermediateDirectories: true)
  }

  private var raw: URL { directory.appendingPathComponent("raw") }

  /// Forgets what former runs left.
  func clear() throws {
    for file in try FileManager.default.contentsOfDirectory(at: raw, includingPropertiesForKeys: nil) {
      try FileManager.default.removeItem(at: file)
    }
  }

  /// Takes in what former runs measured.
  mutating func load() throws {
    for file in try FileManager.default.contentsOfDirectory(at: raw, includingPropertiesForKeys: nil)
    where file.pathExtension == "jsonl" {
      try figures.add(lines: String(contentsOf: file, encoding: .utf8))
    }
  }

  mutating func add(_ measured: [String: Double], of measurement: String) throws {
    figures.remove(measurement)
    figures.add(measured, of: measurement)
    try Data(figures.lines(of: measurement).utf8).write(to: raw.appendingPathComponent(measurement + ".jsonl"))
  }

  mutating func fail(_ measurement: String, _ reason: String) throws {
    figures.remove(measurement)
    failures[measurement] = reason
    try? FileManager.default.removeItem(at: raw.appendingPathComponent(measurement + ".jsonl"))
  }

  /// Writes the table and the plots of all figures at hand.
  ///
  /// - Parameter seconds: what the measurements took, if all were taken.
  /// - Returns: the table's rows, and whether all of them are met.
  func write(seconds: Double? = nil) throws -> (rows: [Row], areMet: Bool) {
    let rows = Bar.all.map(row)
    var text = """
      # Results

      Written by `make bench\(effort(quick: " QUICK=1", full: ""))` on \(Machine.description)\(origin(seconds)). \
      [README](../README.md) tells how each figure is taken; the raw figures are in [raw](raw).

      | figure | bar | measured | command | |
      |---|---|---|---|---|

      """
    for row in rows { text += row.markdown + "\n" }
    text += "\n" + Tables.all(figures)
    for (name, chart) in Charts.all(figures) {
      let file = directory.appendingPathComponent(name + ".svg")
      guard let svg = chart.svg else {
        try? FileManager.default.removeItem(at: file)
        continue
      }
      try Data(svg.utf8).write(to: file)
      text += "![\(chart.title)](\(name).svg)\n\n\(chart.title): `\(command(chart.measurements))`\n\n"
    }
    try Data(text.utf8).write(to: directory.appendingPathComponent("RESULTS.md"))
    return (rows, rows.allSatisfy { $0.isMet })
  }

  /// What was measured, when, and how long that took.
  private func origin(_ seconds: Double?) -> String {
    let day = Date().formatted(.iso8601.year().month().day())
    let commit = ProcessInfo.processInfo.environment["WEIR_COMMIT"].map { ", at commit \($0)" } ?? ""
    let time = seconds.map { ", in \(Text.number($0 / 60)) minutes without the builds" } ?? ", some of it earlier"
    return ", \(day)\(commit)\(time)"
  }

  /// What takes these measurements alone.
  private func command(_ measurements: [String]) -> String {
    "benchmarks/run " + effort(quick: "--quick ", full: "") + measurements.map { "--only \($0)" }.joined(separator: " ")
  }

  private func row(_ bar: Bar) -> Row {
    let command = command(bar.measurements)
    if let outcome = bar.outcome(figures) {
      return Row(bar: bar, measured: outcome.measured, command: command, isMet: outcome.isMet)
    }
    let reason = bar.measurements.compactMap { failures[$0] }.first ?? "not measured"
    let oneLine = reason.split(separator: "\n").first.map { String($0.prefix(160)) } ?? reason
    return Row(bar: bar, measured: oneLine.replacing("|", with: "/"), command: command, isMet: false)
  }
}

/// A row of the table.
struct Row {
  var bar: Bar
  var measured: String
  var command: String
  var isMet: Bool

  var markdown: String {
    "| \(bar.figure) | \(bar.bar) | \(measured) | `\(command)` | \(isMet ? "met" : "missed") |"
  }
}

/// What the figures were taken on.
enum Machine {
  static var description: String {
    let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let model = info.split(separator: "\n").first { $0.hasPrefix("model name") }?
      .split(separator: ":", maxSplits: 1).last.map { $0.trimmingCharacters(in: .whitespaces) }
    return "\(ProcessInfo.processInfo.activeProcessorCount) cores" + (model.map { " of an \($0)" } ?? "")
  }
}
