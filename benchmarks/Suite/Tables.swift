/// Figures that have no bar, as tables.
enum Tables {
  static func all(_ figures: Figures) -> String {
    [fanOut(figures), compile(figures), nginx(figures)].compactMap { $0 }.joined(separator: "\n") + "\n"
  }

  private static func table(_ title: String, _ head: [String], _ rows: [[String]]) -> String? {
    guard !rows.isEmpty else { return nil }
    let lines = [head, head.map { _ in "---" }] + rows
    return "## \(title)\n\n" + lines.map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
  }

  private static func fanOut(_ figures: Figures) -> String? {
    var rows: [[String]] = []
    for variant in ["delta", "sotw"] {
      for cell in FanOut.grid {
        let name = "fanout-\(variant)-\(cell.services)x\(cell.proxies)"
        guard figures.contains(name) else { continue }
        for change in ["endpoint", "weight"] {
          func value(_ figure: String) -> String { figures["\(name)/\(change).\(figure)"].map(Text.number) ?? "" }
          guard figures["\(name)/\(change).server_cpu_ms"] != nil else { continue }
          rows.append([
            variant, "\(cell.services)", "\(cell.proxies)", change, value("server_cpu_ms"), value("limit_cpu_ms"),
            value("ratio"), value("p50_ms"), value("p99_ms"), value("all_streams_p50_ms"),
            value("bytes_per_stream_and_change"), value("resources_per_stream_and_change"),
            value("own_cpu_ms_per_change"), "`benchmarks/run --only \(name)`",
          ])
        }
        func sync(_ figure: String) -> String { figures["\(name)/\(figure)"].map(Text.number) ?? "" }
        rows.append([
          variant, "\(cell.services)", "\(cell.proxies)", "first sync", sync("sync.server_cpu_ms"),
          sync("sync.limit_cpu_ms"),
          figures["\(name)/sync.server_cpu_ms"].flatMap { cpu in
            figures["\(name)/sync.limit_cpu_ms"].map { Text.number(cpu / $0) }
          } ?? "", sync("sync.each_p50_ms"), sync("sync.each_p99_ms"), sync("sync.all_synced_ms"),
          sync("sync.bytes_per_stream"), sync("sync.resources_per_stream"), sync("sync.own_cpu_ms"),
          "`benchmarks/run --only \(name)`",
        ])
      }
    }
    return table(
      "Fan-out",
      [
        "protocol", "S", "N", "change", "server CPU, ms", "limit line, ms", "ratio", "p50, ms", "p99, ms",
        "last stream p50, ms", "bytes a stream", "resources a stream", "weir-load's CPU, ms", "command",
      ], rows)
  }

  private static func compile(_ figures: Figures) -> String? {
    var rows: [[String]] = []
    for size in [100, 1_000, 10_000, 100_000] {
      func value(_ figure: String) -> String { figures["compile/\(figure)"].map(Text.number) ?? "" }
      guard figures["compile/cold.\(size).compile_ms"] != nil else { continue }
      rows.append(["\(size)", "cold", value("cold.\(size).compile_ms") + " ms", "", ""])
      for edit in ["endpoint", "weight", "label", "match", "add", "remove"] {
        let name = "\(edit).\(size)"
        rows.append([
          "\(size)", edit, value(name + ".median_us") + " µs", value(name + ".p99_us") + " µs",
          value(name + ".allocations"),
        ])
      }
    }
    return table(
      "Compile (`benchmarks/run --only compile`)", ["services", "edit", "median", "p99", "allocations"], rows)
  }

  private static func nginx(_ figures: Figures) -> String? {
    guard figures.contains("nginx") else { return nil }
    let kinds = [
      ("requests", "requests"), ("failed", "failed or reset requests"), ("changes", "changes"), ("p50_ms", "p50, ms"),
      ("p90_ms", "p90, ms"), ("p99_ms", "p99, ms"), ("p999_ms", "p99.9, ms"), ("max_ms", "max, ms"),
      ("delay_p50_ms", "change to first answer, p50, ms"), ("delay_p99_ms", "change to first answer, p99, ms"),
      ("cpu_s", "CPU, s"), ("peak_mb", "peak memory, MB"), ("connections", "connections opened by the load"),
    ]
    let rows = kinds.map { figure, title in
      [title] + ["weir", "nginx"].map { figures["nginx/\($0).\(figure)"].map(Text.number) ?? "" }
    }
    return table(
      "Against nginx (`benchmarks/run --only nginx`)", ["", "Weir + Envoy", "nginx, `nginx -s reload`"], rows)
  }
}
