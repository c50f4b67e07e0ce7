import Foundation
import Synchronization

/// Says what a run found: progress on stderr, a table (or a JSON object a line) on stdout.
final class Report: Sendable {
  private let isJSON: Bool
  private let proxies: Int
  private let rows = Mutex<[(String, String)]>([])

  init(isJSON: Bool, proxies: Int) {
    self.isJSON = isJSON
    self.proxies = proxies
  }

  typealias Change<Value> = (before: Value, after: Value)

  func progress(_ text: String) { FileHandle.standardError.write(Data("weir-load: \(text)\n".utf8)) }

  func synced(
    all: Duration, each: Distribution, _ totals: LoopFleet.Totals, server: Change<ProcessUsage?>,
    own: Change<ProcessUsage>
  ) {
    add(
      "sync",
      [
        ("proxies", Double(proxies), ""), ("all_synced_ms", all.milliseconds, "ms"),
        ("each_p50_ms", each.percentile(50), "ms"), ("each_p99_ms", each.percentile(99), "ms"),
        ("each_max_ms", each.maximum, "ms"),
      ] + traffic((LoopFleet.Totals(), totals), per: proxies, "per_stream") + [
        ("own_cpu_ms", (own.after.cpu - own.before.cpu) * 1000, "ms")
      ] + cost(server, per: 1))
  }

  /// The server's memory a while after the sync, and before anybody was connected.
  func settled(server: Change<ProcessUsage?>) {
    guard let before = server.before, let after = server.after else { return }
    add(
      "settled",
      [
        ("server_resident_before_mb", Double(before.resident) / 1e6, "MB"),
        ("server_resident_mb", Double(after.resident) / 1e6, "MB"),
        ("kib_per_stream", Double(after.resident - before.resident) / 1024 / Double(proxies), "KiB"),
      ])
  }

  func changes(
    _ rounds: Rounds, trigger: Int, _ totals: Change<LoopFleet.Totals>, server: Change<ProcessUsage?>,
    own: Change<ProcessUsage>
  ) {
    add(
      "changes",
      [("trigger", Double(trigger), ""), ("changes", Double(rounds.count), "")] + latency(rounds)
        + traffic(totals, per: proxies * rounds.count, "per_stream_and_change") + [
          ("own_cpu_ms_per_change", (own.after.cpu - own.before.cpu) * 1000 / Double(rounds.count), "ms")
        ] + cost(server, per: rounds.count))
  }

  /// A stretch of changes with some readers that did not read, or none.
  ///
  /// - Parameter most: bytes resident in the server, after any of the changes.
  func stall(_ pair: Int, readers: Int, lost: Int, _ rounds: Rounds, server: Change<ProcessUsage?>, most: Int) {
    var growth: [(String, Double, String)] = []
    if let before = server.before, let after = server.after {
      growth = [
        ("server_growth_kib", Double(after.resident - before.resident) / 1024, "KiB"),
        ("server_most_growth_kib", Double(max(most, after.resident) - before.resident) / 1024, "KiB"),
      ]
    }
    add(
      "stall",
      [
        ("pair", Double(pair), ""), ("stalled_readers", Double(readers), ""), ("given_up", Double(lost), ""),
        ("changes", Double(rounds.count), ""),
      ]
        + latency(rounds) + growth + cost(server, per: max(1, rounds.count)))
  }

  func storm(
    _ number: Int, all: Duration, each: Distribution, missing: Int, _ totals: Change<LoopFleet.Totals>,
    server: Change<ProcessUsage?>
  ) {
    add(
      "storm",
      [
        ("storm", Double(number), ""), ("all_back_ms", all.milliseconds, "ms"), ("p50_ms", each.percentile(50), "ms"),
        ("p99_ms", each.percentile(99), "ms"), ("not_received", Double(missing), ""),
        ("unchanged_resources", Double(totals.after.unchanged - totals.before.unchanged), ""),
      ] + traffic(totals, per: proxies, "per_stream") + cost(server, per: 1))
  }

  private func latency(_ rounds: Rounds) -> [(String, Double, String)] {
    let (each, last) = (rounds.each, rounds.last)
    return [
      ("p50_ms", each.percentile(50), "ms"), ("p99_ms", each.percentile(99), "ms"), ("max_ms", each.maximum, "ms"),
      ("all_streams_p50_ms", last.percentile(50), "ms"), ("all_streams_p99_ms", last.percentile(99), "ms"),
      ("not_received", Double(rounds.missing), ""),
    ]
  }

  private func traffic(
    _ totals: Change<LoopFleet.Totals>, per count: Int, _ suffix: String
  ) -> [(String, Double, String)] {
    func each(_ value: (LoopFleet.Totals) -> Int) -> Double {
      Double(value(totals.after) - value(totals.before)) / Double(count)
    }
    return [
      ("bytes_" + suffix, each(\.bytes), "B"), ("resources_" + suffix, each(\.resources), ""),
      ("responses_" + suffix, each(\.messages), ""), ("sent_bytes_" + suffix, each(\.sentBytes), "B"),
      ("requests_" + suffix, each(\.sentMessages), ""),
    ]
  }

  func end(_ totals: LoopFleet.Totals, own: ProcessUsage) {
    add(
      "end",
      [
        ("streams_open", Double(totals.streams), ""), ("streams_lost", Double(totals.lost), ""),
        ("responses", Double(totals.messages), ""), ("own_cpu_s", own.cpu, "s"),
        ("own_resident_mb", Double(own.resident) / 1e6, "MB"),
      ])
    guard !isJSON else { return }
    let all = rows.withLock { $0 }
    let width = all.map(\.0.count).max() ?? 0
    for (name, value) in all { print(name.padding(toLength: width + 2, withPad: " ", startingAt: 0) + value) }
  }

  private func cost(_ server: Change<ProcessUsage?>, per count: Int) -> [(String, Double, String)] {
    guard let before = server.before, let after = server.after else { return [] }
    return [
      ("server_cpu_ms", (after.cpu - before.cpu) * 1000 / Double(count), "ms"),
      ("server_resident_mb", Double(after.resident) / 1e6, "MB"),
    ]
  }

  private func add(_ event: String, _ figures: [(name: String, value: Double, unit: String)]) {
    if isJSON {
      let fields = figures.filter(\.value.isFinite).map { "\"\($0.name)\":\(Self.number($0.value))" }
      let line = "{\"event\":\"\(event)\"," + fields.joined(separator: ",") + "}\n"
      // At once, and not through a buffer: whoever started the process may wait for this line.
      FileHandle.standardOutput.write(Data(line.utf8))
    } else {
      rows.withLock { rows in
        rows += figures.map {
          ("\(event) \($0.name)", Self.number($0.value) + ($0.unit.isEmpty ? "" : " \($0.unit)"))
        }
      }
    }
  }

  private static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(format: "%.3f", value)
  }
}

extension Duration {
  var milliseconds: Double { self / .milliseconds(1) }
}
