import EnvoyHarness

/// The suite's plots, by the names of their files.
enum Charts {
  static func all(_ figures: Figures) -> [(name: String, chart: Chart)] {
    fanOut(figures) + [
      ("memory-per-stream", memory(figures)), ("reconnect-storm", storm(figures)),
      ("stalled-reader", stalledReader(figures)), ("compile-edits", compile(figures)),
      ("compile-allocations", allocations(figures)), ("compile-cold", cold(figures)), ("end-to-end", endToEnd(figures)),
      ("nginx-latency", nginx(figures)), ("nginx-resources", nginxResources(figures)),
    ]
  }

  // MARK: Fan-out

  private static func fanOut(_ figures: Figures) -> [(String, Chart)] {
    let cells = FanOut.grid
    let labels = cells.map { "\($0.services) × \($0.proxies)" }
    let names = FanOut.all.map(\.name)
    func values(_ variant: XDSProtocol, _ figure: String) -> [Double?] {
      FanOut.all.filter { $0.protocol == variant }.map { figures["\($0.name)/\(figure)"] }
    }
    func cost(_ change: String, _ title: String) -> Chart {
      Chart(
        title: "Server CPU \(title), services × streams", measurements: names, unit: "ms", labels: labels,
        series: [
          .init(name: "delta", values: values(.delta, "\(change).server_cpu_ms")),
          .init(name: "limit line, delta", values: values(.delta, "\(change).limit_cpu_ms"), isReference: true),
          .init(name: "state of the world", values: values(.stateOfTheWorld, "\(change).server_cpu_ms")),
          .init(
            name: "limit line, state of the world", values: values(.stateOfTheWorld, "\(change).limit_cpu_ms"),
            isReference: true),
        ])
    }
    return [
      ("fanout-endpoint-cpu", cost("endpoint", "per update, one endpoint changed")),
      ("fanout-weight-cpu", cost("weight", "per update, one weight changed (RDS)")),
      ("fanout-sync-cpu", cost("sync", "of the first full sync")),
      (
        "fanout-endpoint-latency",
        Chart(
          title: "From trigger to receipt, one endpoint changed, services × streams", measurements: names, unit: "ms",
          labels: labels,
          series: [
            .init(name: "delta p50", values: values(.delta, "endpoint.p50_ms")),
            .init(name: "delta p99", values: values(.delta, "endpoint.p99_ms")),
            .init(name: "state of the world p50", values: values(.stateOfTheWorld, "endpoint.p50_ms")),
            .init(name: "state of the world p99", values: values(.stateOfTheWorld, "endpoint.p99_ms")),
          ])
      ),
    ]
  }

  private static func memory(_ figures: Figures) -> Chart {
    let names = [1000, 5000].map { "fanout-delta-\($0)x1000" }
    return Chart(
      title: "Memory per synced stream, 1,000 streams", measurements: names, unit: "KiB",
      labels: ["1,000 services", "5,000 services"],
      series: [.init(name: "delta", values: names.map { figures["\($0)/settled.kib_per_stream"] })], bar: 48)
  }

  private static func storm(_ figures: Figures) -> Chart {
    let name = "fanout-delta-1000x1000"
    let storms = 1...5
    return Chart(
      title: "Reconnect storms: 1,000 streams come back with matching versions", measurements: [name], unit: "ms",
      labels: storms.map { "storm \($0)" },
      series: [
        .init(name: "server CPU", values: storms.map { figures["\(name)/storm\($0).server_cpu_ms"] }),
        .init(
          name: "until the last has what it is owed", values: storms.map { figures["\(name)/storm\($0).all_back_ms"] }),
      ], bar: 1000)
  }

  private static func stalledReader(_ figures: Figures) -> Chart {
    let pairs = 1...5
    return Chart(
      title: "p99 of those that read, in pairs of stretches", measurements: ["stalled-reader"], unit: "ms",
      labels: pairs.map { "pair \($0)" },
      series: [
        .init(
          name: "all read", values: pairs.map { figures["stalled-reader/pair\($0).calm_p99_ms"] }, isReference: true),
        .init(name: "one does not", values: pairs.map { figures["stalled-reader/pair\($0).stalled_p99_ms"] }),
      ])
  }

  // MARK: The compiler

  private static let sizes = [100, 1_000, 10_000, 100_000]

  private static func edits(
    _ title: String, _ unit: String, _ figure: String, bar: Double?, _ figures: Figures
  ) -> Chart {
    Chart(
      title: title, measurements: ["compile"], unit: unit, labels: sizes.map { "\($0)" },
      series: ["endpoint", "weight", "label", "match", "add", "remove"].map { edit in
        .init(name: edit, values: sizes.map { figures["compile/\(edit).\($0).\(figure)"] })
      }, style: .lines, bar: bar)
  }

  private static func compile(_ figures: Figures) -> Chart {
    edits("Compile time of one edit (median) by the number of services", "µs", "median_us", bar: 50, figures)
  }

  private static func allocations(_ figures: Figures) -> Chart {
    edits("Allocations of one edit by the number of services", "", "allocations", bar: nil, figures)
  }

  private static func cold(_ figures: Figures) -> Chart {
    Chart(
      title: "Cold compile by the number of services", measurements: ["compile"], unit: "ms",
      labels: sizes.map { "\($0)" },
      series: [.init(name: "cold compile", values: sizes.map { figures["compile/cold.\($0).compile_ms"] })],
      style: .lines)
  }

  // MARK: Through real proxies

  private static func endToEnd(_ figures: Figures) -> Chart {
    let parts = ["median", "p99", "max"]
    return Chart(
      title: "Manifest write to first request served, through a real Envoy", measurements: ["end-to-end"], unit: "ms",
      labels: parts,
      series: [
        .init(name: "delta", values: parts.map { figures["end-to-end/delta.\($0)_ms"] }),
        .init(name: "state of the world", values: parts.map { figures["end-to-end/sotw.\($0)_ms"] }),
      ], bar: 25)
  }

  private static func nginx(_ figures: Figures) -> Chart {
    let parts = ["p50", "p90", "p99", "p999", "max"]
    return nginx("Latency of requests while endpoints churn", "ms", labels: parts, parts.map { "\($0)_ms" }, figures)
  }

  private static func nginxResources(_ figures: Figures) -> Chart {
    nginx(
      "What the churn of endpoints takes", "", labels: ["CPU, s", "peak memory, MB", "connections opened"],
      ["cpu_s", "peak_mb", "connections"], figures)
  }

  private static func nginx(
    _ title: String, _ unit: String, labels: [String], _ parts: [String], _ figures: Figures
  ) -> Chart {
    Chart(
      title: title, measurements: ["nginx"], unit: unit, labels: labels,
      series: [
        .init(name: "Weir + Envoy", values: parts.map { figures["nginx/weir.\($0)"] }),
        .init(name: "nginx + reload", values: parts.map { figures["nginx/nginx.\($0)"] }),
      ])
  }
}
