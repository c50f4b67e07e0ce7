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
    all: Duration, each: Distribution, _ totals: LoopFleet.Totals, server: Change<ProcessUsage?>
  ) {
    add(
      "sync",
      [
        ("proxies", Double(proxies), ""), ("all_synced_ms", all.milliseconds, "ms"),
        ("each_p50_ms", each.percentile(50), "ms"), ("each_p99_ms", each.percentile(99), "ms"),
        ("each_max_ms", each.maximum, "ms"),
        ("bytes_per_stream", Double(totals.bytes) / Double(proxies), "B"),
        ("resources_per_stream", Double(totals.resources) / Double(proxies), ""),
      ] + cost(server, per: 1))
  }

  func changes(
    _ count: Int, each: Distribution, last: Distribution, missing: Int, _ totals: Change<LoopFleet.Totals>,
    server: Change<ProcessUsage?>, own: Change<ProcessUsage>
  ) {
    let streams = Double(proxies * count)
    add(
      "changes",
      [
        ("changes", Double(count), ""), ("p50_ms", each.percentile(50), "ms"), ("p99_ms", each.percentile(99), "ms"),
        ("max_ms", each.maximum, "ms"), ("all_streams_p50_ms", last.percentile(50), "ms"),
        ("all_streams_p99_ms", last.percentile(99), "ms"), ("not_received", Double(missing), ""),
        ("bytes_per_stream_and_change", Double(totals.after.bytes - totals.before.bytes) / streams, "B"),
        ("resources_per_stream_and_change", Double(totals.after.resources - totals.before.resources) / streams, ""),
        ("own_cpu_ms_per_change", (own.after.cpu - own.before.cpu) * 1000 / Double(count), "ms"),
      ] + cost(server, per: count))
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
        ("bytes_per_stream", Double(totals.after.bytes - totals.before.bytes) / Double(proxies), "B"),
        ("resources_per_stream", Double(totals.after.resources - totals.before.resources) / Double(proxies), ""),
      ] + cost(server, per: 1))
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
      print("{\"event\":\"\(event)\"," + fields.joined(separator: ",") + "}")
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
