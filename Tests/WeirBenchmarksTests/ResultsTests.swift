import EnvoyHarness
import Foundation
import Testing

@testable import WeirBenchmarks

@Suite(.timeLimit(.minutes(1)))
struct ResultsTests {
  @Test("Figures are the same after they were written and read")
  func lines() throws {
    var figures = Figures()
    figures.add(["a.cpu_ms": 1.25, "b": 1000, "nothing": .nan], of: "one")
    figures.add(["a.cpu_ms": 7], of: "one-more")
    var read = Figures()
    try read.add(lines: figures.lines(of: "one"))
    #expect(read.values == ["one/a.cpu_ms": 1.25, "one/b": 1000])
  }

  @Test("A bar without its figures is missed, and every bar names measurements that there are")
  func missing() {
    let names = Set(WeirBenchmarks.all.map(\.name))
    #expect(names.count == WeirBenchmarks.all.count)
    for bar in Bar.all {
      #expect(bar.outcome(Figures()) == nil)
      #expect(names.isSuperset(of: bar.measurements), "\(bar.figure)")
      #expect(WeirBenchmarks.enough.isSuperset(of: bar.measurements), "\(bar.figure)")
    }
  }

  @Test("The limit line's factor and the limit itself both count")
  func judgement() throws {
    let bar = try #require(Bar.all.first { $0.figure.hasPrefix("one endpoint changed, S=1000 N=1000") })
    func isMet(cpu: Double, limit: Double) -> Bool? {
      var figures = Figures()
      figures.add(["endpoint.server_cpu_ms": cpu, "endpoint.limit_cpu_ms": limit], of: bar.measurements[0])
      return bar.outcome(figures)?.isMet
    }
    #expect(isMet(cpu: 24, limit: 8.1) == true)
    #expect(isMet(cpu: 24, limit: 7.9) == false)
    #expect(isMet(cpu: 26, limit: 10) == false)
  }

  @Test("A change that somebody did not get, or nobody, meets no bar")
  func undelivered() throws {
    let bar = try #require(Bar.all.first { $0.measurements == ["vhds"] })
    func isMet(_ change: [String: Double]) -> Bool? {
      var figures = Figures()
      figures.add(change.merging(["bytes_per_stream": 900]) { $1 }, of: "vhds")
      return bar.outcome(figures)?.isMet
    }
    #expect(isMet(["resources_per_stream_and_change": 1, "not_received": 0]) == true)
    #expect(isMet(["resources_per_stream_and_change": 1, "not_received": 1]) == false)
    #expect(isMet(["resources_per_stream_and_change": 0.99, "not_received": 0]) == false)
    #expect(isMet(["resources_per_stream_and_change": 2, "not_received": 0]) == false)
    #expect(isMet(["not_received": 0]) == nil)
  }

  @Test("The table holds every bar, the failed measurement's reason, and plots of what was measured")
  func writing() throws {
    let directory = TemporaryDirectory(prefix: "weir-results")
    defer { directory.remove() }
    var results = try Results(directory.path, .quick)
    try results.add(["900.cpu_ms": 7.5], of: "limit")
    try results.add(
      ["delta.p99_ms": 3, "sotw.p99_ms": 26, "delta.median_ms": 2, "sotw.median_ms": 2], of: "end-to-end")
    try results.fail("vhds", "no such flag\nand more")
    let (rows, areMet) = try results.write()
    #expect(!areMet)
    let text = try String(contentsOfFile: directory.path + "/RESULTS.md", encoding: .utf8)
    let bars = text.split(separator: "\n").filter { $0.hasSuffix("| met |") || $0.hasSuffix("| missed |") }
    #expect(bars.count == Bar.all.count)
    #expect(rows.count == Bar.all.count)
    #expect(text.contains("| 7.50 ms | `benchmarks/run --quick --only limit` | met |"))
    #expect(text.contains("| no such flag | `benchmarks/run --quick --only vhds` | missed |"))
    #expect(text.contains("p99 3 ms in delta, 26 ms in state of the world"))
    #expect(FileManager.default.fileExists(atPath: directory.path + "/end-to-end.svg"))
    #expect(text.contains("through a real Envoy: `benchmarks/run --quick --only end-to-end`"))
    #expect(!FileManager.default.fileExists(atPath: directory.path + "/nginx-latency.svg"))
    // A later run with one measurement finds the others.
    var later = try Results(directory.path, .quick)
    try later.load()
    #expect(later.figures["limit/900.cpu_ms"] == 7.5)
  }

  @Test("Each plot names measurements that there are")
  func plots() {
    let names = Set(WeirBenchmarks.all.map(\.name))
    let charts = Charts.all(Figures())
    #expect(Set(charts.map(\.name)).count == charts.count)
    for (name, chart) in charts {
      #expect(!chart.measurements.isEmpty && names.isSuperset(of: chart.measurements), "\(name)")
    }
  }

  @Test("Bytes on the wire: gRPC's prefix, and a frame header for each 16 KiB")
  func wire() {
    #expect(wireBytes(100, messages: 1) == 114)
    #expect(wireBytes(200, messages: 2) == 228)
    #expect(wireBytes(16_379, messages: 1) == 16_393)
    #expect(wireBytes(16_380, messages: 1) == 16_403)
    #expect(wireBytes(0, messages: 0) == 0)
  }

  @Test("The bare program moves what it is told to")
  func limitLine() async throws {
    let directory = TemporaryDirectory(prefix: "weir-limit")
    defer { directory.remove() }
    // Larger than a socket's buffers, both ways.
    let line = LimitLine(
      streams: 5, subscription: 3_000_000, first: 5_000_000, firstAck: 10, push: 5_000_000, ack: 3_000_000, pushes: 3,
      intervalMilliseconds: 1)
    let result = try await line.run(in: directory)
    #expect(result.push > 0)
    #expect(result.sync > 0)
  }
}
