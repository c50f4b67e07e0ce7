/// A figure that must hold, and whether it does.
struct Bar: Sendable {
  struct Outcome {
    var measured: String
    var isMet: Bool
  }

  /// What is measured.
  var figure: String
  /// What it must reach.
  var bar: String
  /// The measurements that it takes.
  var measurements: [String]
  /// nil if a figure is missing.
  var judge: @Sendable (Figures) -> Outcome?

  /// What the figures say. Where somebody did not get a change in time, those who did tell nothing, and the bar is missed.
  func outcome(_ figures: Figures) -> Outcome? {
    guard var outcome = judge(figures) else { return nil }
    let missing = measurements.reduce(0) { $0 + figures.undelivered(in: $1) }
    if missing > 0 {
      outcome.measured += "; \(Text.number(missing)) times not received"
      outcome.isMet = false
    }
    return outcome
  }
}

extension Bar {
  /// A figure that must not exceed a limit.
  private static func atMost(
    _ limit: Double, _ unit: String, _ figure: String, of measurement: String, _ title: String
  ) -> Bar {
    Bar(figure: title, bar: "≤ \(Text.number(limit)) \(unit)", measurements: [measurement]) { figures in
      guard let value = figures["\(measurement)/\(figure)"] else { return nil }
      return Outcome(measured: "\(Text.number(value)) \(unit)", isMet: value <= limit)
    }
  }

  /// A change of one item sends each stream that item and nothing else.
  private static func oneItem(of measurement: String, _ title: String) -> Bar {
    Bar(figure: title, bar: "≤ 1,024 B, and one resource", measurements: [measurement]) { figures in
      guard let bytes = figures[measurement + "/bytes_per_stream"],
        let resources = figures[measurement + "/resources_per_stream_and_change"]
      else { return nil }
      return Outcome(
        measured: "\(Text.number(bytes)) B, \(Text.number(resources)) resource", isMet: bytes <= 1024 && resources == 1)
    }
  }

  /// Server CPU of a change against the limit line of the same run, and a limit of its own if there is one.
  private static func againstLimit(
    _ change: String, of measurement: String, _ title: String, atMost limit: Double? = nil
  ) -> Bar {
    let own = limit.map { "≤ \(Text.number($0)) ms, and " } ?? ""
    return Bar(figure: title, bar: own + "≤ 3 × the limit line", measurements: [measurement]) { figures in
      guard let cpu = figures["\(measurement)/\(change).server_cpu_ms"],
        let least = figures["\(measurement)/\(change).limit_cpu_ms"]
      else { return nil }
      return Outcome(
        measured: "\(Text.number(cpu)) ms; limit line \(Text.number(least)) ms, \(Text.number(cpu / least)) ×",
        isMet: cpu <= limit ?? .infinity && cpu <= 3 * least)
    }
  }

  static let all: [Bar] =
    compile + fanOut + perStream + [
      oneItem(
        of: "vhds", "one weight changed among 10,000 virtual hosts with VHDS: bytes to each stream"),
      oneItem(
        of: "leds", "one endpoint changed among 5,000 of one service with LEDS: bytes to each stream"),
    ] + [storm] + stalledReader + releases + [
      Bar(
        figure: "manifest write → first request served by the new endpoint through a real Envoy", bar: "p99 ≤ 25 ms",
        measurements: ["end-to-end"]
      ) { figures in
        guard let delta = figures["end-to-end/delta.p99_ms"], let sotw = figures["end-to-end/sotw.p99_ms"] else {
          return nil
        }
        return Outcome(
          measured: "p99 \(Text.number(delta)) ms in delta, \(Text.number(sotw)) ms in state of the world",
          isMet: max(delta, sotw) <= 25)
      }
    ]

  private static var compile: [Bar] {
    ["endpoint", "weight"].map { edit in
      Bar(
        figure: "compile one changed \(edit), with 100,000 services",
        bar: "≤ 50 µs, and ≤ 1.3 × or ≤ 10 µs more than with 1,000", measurements: ["compile"]
      ) { figures in
        guard let large = figures["compile/\(edit).100000.median_us"],
          let small = figures["compile/\(edit).1000.median_us"]
        else { return nil }
        return Outcome(
          measured: "\(Text.number(large)) µs; \(Text.number(small)) µs with 1,000 (medians)",
          isMet: large <= 50 && (large <= 1.3 * small || large <= small + 10))
      }
    } + [
      Bar(
        figure: "full compile of 10,000 services × 10 endpoints",
        bar: "≤ 3 × the bare libprotobuf-c packing of the same messages", measurements: ["compile"]
      ) { figures in
        guard let compile = figures["compile/full.compile_ms"], let packing = figures["compile/full.packing_ms"] else {
          return nil
        }
        let processor =
          figures["compile/full.processor_ratio"].map { " (of processor time \(Text.number($0)) ×)" } ?? ""
        return Outcome(
          measured:
            "\(Text.number(compile)) ms; packing \(Text.number(packing)) ms, \(Text.number(compile / packing)) ×"
            + processor,
          isMet: compile <= 3 * packing)
      }
    ]
  }

  private static let grid = "fanout-delta-1000x1000"

  private static var fanOut: [Bar] {
    [
      againstLimit(
        "endpoint", of: grid, "one endpoint changed, S=1000 N=1000 delta: server CPU per update", atMost: 25),
      atMost(60, "ms", "endpoint.p99_ms", of: grid, "the same: p99 to all streams"),
      Bar(
        figure: "one endpoint changed, S=5000 N=100 delta: server CPU per update", bar: "≤ 3 ms",
        measurements: ["fanout-delta-5000x100"]
      ) { figures in
        let name = "fanout-delta-5000x100/endpoint.server"
        let costs = (1...3).compactMap { figures["\(name)\($0)_cpu_ms"] }
        guard let cost = figures[name + "_cpu_ms"], costs.count == 3 else { return nil }
        let each = costs.map(Text.number).joined(separator: ", ")
        return Outcome(measured: "\(Text.number(cost)) ms (median of three servers: \(each))", isMet: cost <= 3)
      },
      Bar(
        figure: "state of the world, one endpoint changed: bytes to each stream",
        bar: "the changed ClusterLoadAssignments only (the subset's, and the service's own)",
        measurements: ["fanout-sotw-1000x100"]
      ) { figures in
        let change = "fanout-sotw-1000x100/endpoint"
        guard let resources = figures[change + ".resources_per_stream_and_change"],
          let bytes = figures[change + ".bytes_per_stream_and_change"]
        else { return nil }
        return Outcome(
          measured: "\(Text.number(resources)) assignments, \(Text.number(bytes)) B", isMet: resources == 2)
      },
      againstLimit("weight", of: grid, "one weight changed, S=1000 N=1000 by RDS: server CPU per update"),
      Bar(figure: "first full sync S=1000 N=1000: server CPU", bar: "≤ 3 s", measurements: [grid]) { figures in
        guard let cpu = figures[grid + "/sync.server_cpu_ms"], let least = figures[grid + "/sync.limit_cpu_ms"] else {
          return nil
        }
        return Outcome(
          measured: "\(Text.number(cpu / 1000)) s; limit line \(Text.number(least / 1000)) s", isMet: cpu <= 3000)
      },
      atMost(
        12, "ms", "900.cpu_ms", of: "limit", "the limit line itself, N=1000 and 900 B: CPU per push"),
    ]
  }

  private static var perStream: [Bar] {
    let large = "fanout-delta-5000x1000"
    return [
      atMost(48, "KiB", "settled.kib_per_stream", of: grid, "memory per synced stream, S=1000"),
      Bar(figure: "memory per synced stream, S=5000", bar: "≤ 1.2 × that at S=1000", measurements: [grid, large]) {
        figures in
        guard let small = figures[grid + "/settled.kib_per_stream"],
          let large = figures[large + "/settled.kib_per_stream"]
        else { return nil }
        return Outcome(
          measured: "\(Text.number(large)) KiB, \(Text.number(large / small)) ×", isMet: large <= 1.2 * small)
      },
    ]
  }

  private static var storm: Bar {
    Bar(
      figure: "reconnect storm, N=1000 with matching versions", bar: "0 unchanged resources sent; server CPU ≤ 1 s",
      measurements: [grid]
    ) { figures in
      // Each storm by itself; the worst counts.
      let storms = (1...5).compactMap { figures["\(grid)/storm\($0).server_cpu_ms"] }
      let unchanged = (1...5).compactMap { figures["\(grid)/storm\($0).unchanged_resources"] }
      guard let worst = storms.max() else { return nil }
      let sent = unchanged.reduce(0, +)
      return Outcome(
        measured: "\(Text.number(sent)) unchanged resources; \(Text.number(worst / 1000)) s",
        isMet: sent == 0 && worst <= 1000)
    }
  }

  private static var releases: [Bar] {
    let title = "a rollback, from the call to the last of 1,000 proxies having acknowledged it"
    return [
      atMost(100, "ms", "p99_ms", of: "rollback-vhds-1000", title + ": p99, S=1000 by VHDS"),
      atMost(100, "ms", "p99_ms", of: "rollback-rds-100", "the same, S=100 by RDS"),
      Bar(
        figure: "the same, S=1000 by RDS", bar: "p99 ≤ 3 × the limit line's", measurements: ["rollback-rds-1000"]
      ) { figures in
        guard let p99 = figures["rollback-rds-1000/p99_ms"], let limit = figures["rollback-rds-1000/limit_wall_p99_ms"],
          let median = figures["rollback-rds-1000/p50_ms"], let limitMedian = figures["rollback-rds-1000/limit_wall_ms"]
        else { return nil }
        return Outcome(
          measured: "\(Text.number(p99)) ms; limit line \(Text.number(limit)) ms, \(Text.number(p99 / limit)) × "
            + "(medians \(Text.number(median)) and \(Text.number(limitMedian)) ms)",
          isMet: p99 <= 3 * limit)
      },
      Bar(
        figure: "`weir serve` killed while releases are moved",
        bar: "ledger, releases and served weights agree with what "
          + "was acknowledged", measurements: ["release-kills"]
      ) { figures in
        guard let kills = figures["release-kills/kills"], let there = figures["release-kills/acknowledged"] else {
          return nil
        }
        return Outcome(
          measured: "after each of \(Text.number(kills)) kills; \(Text.number(there)) operations acknowledged",
          isMet: kills > 0 && there > 0)
      },
    ]
  }

  private static var stalledReader: [Bar] {
    [
      Bar(
        figure: "a reader that stops reading for a minute (`QUICK=1`: five seconds) among 1,000: the others' p99",
        bar: "≤ 1.3 × (median of five interleaved pairs)",
        measurements: ["stalled-reader"]
      ) { figures in
        guard let ratio = figures["stalled-reader/median_ratio"] else { return nil }
        return Outcome(
          measured: "\(Text.number(ratio)) ×, \(Text.number(figures["stalled-reader/seconds"] ?? 0)) s a stretch",
          isMet: ratio <= 1.3)
      },
      Bar(
        figure: "the same: growth of the server's memory", bar: "≤ one response + 1 MiB",
        measurements: ["stalled-reader"]
      ) { figures in
        guard let growth = figures["stalled-reader/growth_kib"], let response = figures["stalled-reader/response_bytes"]
        else { return nil }
        return Outcome(
          measured: "\(Text.number(growth)) KiB at most, after any change; a response is \(Text.number(response)) B",
          isMet: growth <= 1024 + response / 1024)
      },
    ]
  }
}
