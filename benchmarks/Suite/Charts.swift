/// The suite's plots, by the names of their files.
enum Charts {
  static func all(_ figures: Figures) -> [(name: String, chart: Chart)] {
    fanOut(figures) + [
      ("compile-edits", compile(figures)), ("memory-per-stream", memory(figures)),
      ("stalled-reader", stalledReader(figures)), ("end-to-end", endToEnd(figures)), ("nginx-latency", nginx(figures)),
    ]
  }

  private static func fanOut(_ figures: Figures) -> [(String, Chart)] {
    let cells = FanOut.grid
    let labels = cells.map { "\($0.services) × \($0.proxies)" }
    func values(_ protocol: String, _ figure: String) -> [Double?] {
      cells.map { figures["fanout-\(`protocol`)-\($0.services)x\($0.proxies)/\(figure)"] }
    }
    func cost(_ change: String, _ title: String) -> Chart {
      Chart(
        title: "Server CPU per update, \(title), services × streams", unit: "ms", labels: labels,
        series: [
          .init(name: "delta", values: values("delta", "\(change).server_cpu_ms")),
          .init(name: "limit line, delta", values: values("delta", "\(change).limit_cpu_ms"), isReference: true),
          .init(name: "state of the world", values: values("sotw", "\(change).server_cpu_ms")),
          .init(
            name: "limit line, state of the world", values: values("sotw", "\(change).limit_cpu_ms"), isReference: true),
        ])
    }
    return [
      ("fanout-endpoint-cpu", cost("endpoint", "one endpoint changed")),
      ("fanout-weight-cpu", cost("weight", "one weight changed (RDS)")),
      (
        "fanout-endpoint-latency",
        Chart(
          title: "From trigger to receipt, one endpoint changed, services × streams", unit: "ms", labels: labels,
          series: [
            .init(name: "delta p50", values: values("delta", "endpoint.p50_ms")),
            .init(name: "delta p99", values: values("delta", "endpoint.p99_ms")),
            .init(name: "state of the world p50", values: values("sotw", "endpoint.p50_ms")),
            .init(name: "state of the world p99", values: values("sotw", "endpoint.p99_ms")),
          ])
      ),
    ]
  }

  private static func compile(_ figures: Figures) -> Chart {
    let sizes = [100, 1_000, 10_000, 100_000]
    return Chart(
      title: "Compile time of one edit (median) by the number of services", unit: "µs",
      labels: sizes.map { "\($0)" },
      series: ["endpoint", "weight", "label", "match", "add", "remove"].map { edit in
        .init(name: edit, values: sizes.map { figures["compile/\(edit).\($0).median_us"] })
      }, style: .lines, bar: 50)
  }

  private static func memory(_ figures: Figures) -> Chart {
    Chart(
      title: "Memory per synced stream, 1,000 streams", unit: "KiB", labels: ["1,000 services", "5,000 services"],
      series: [
        .init(
          name: "delta",
          values: [1000, 5000].map { figures["fanout-delta-\($0)x1000/settled.kib_per_stream"] })
      ], bar: 48)
  }

  private static func stalledReader(_ figures: Figures) -> Chart {
    let pairs = 1...5
    return Chart(
      title: "p99 of those that read, in pairs of stretches", unit: "ms", labels: pairs.map { "pair \($0)" },
      series: [
        .init(
          name: "all read", values: pairs.map { figures["stalled-reader/pair\($0).calm_p99_ms"] }, isReference: true),
        .init(name: "one does not", values: pairs.map { figures["stalled-reader/pair\($0).stalled_p99_ms"] }),
      ])
  }

  private static func endToEnd(_ figures: Figures) -> Chart {
    let parts = ["median", "p99", "max"]
    return Chart(
      title: "Manifest write to first request served, through a real Envoy", unit: "ms", labels: parts,
      series: [
        .init(name: "delta", values: parts.map { figures["end-to-end/delta.\($0)_ms"] }),
        .init(name: "state of the world", values: parts.map { figures["end-to-end/sotw.\($0)_ms"] }),
      ], bar: 25)
  }

  private static func nginx(_ figures: Figures) -> Chart {
    let parts = ["p50", "p90", "p99", "p999", "max"]
    return Chart(
      title: "Latency of requests while endpoints churn", unit: "ms", labels: parts,
      series: [
        .init(name: "Weir + Envoy", values: parts.map { figures["nginx/weir.\($0)_ms"] }),
        .init(name: "nginx + reload", values: parts.map { figures["nginx/nginx.\($0)_ms"] }),
      ])
  }
}
