import Telemetry
import Testing

@Suite struct MetricsRegistryTests {
  @Test func theTextIsExactlyTheFormat() {
    let registry = MetricsRegistry()
    registry.counter("weir_acks_total", help: "Responses accepted.", labels: ["type": "route"]).increment(by: 3)
    registry.counter("weir_acks_total", help: "Responses accepted.", labels: ["type": "cluster"]).increment()
    registry.gauge("weir_streams", help: "Open streams.").set(-2)
    let histogram = registry.histogram(
      "weir_push_seconds", help: "Time.", labels: ["type": "route"], bounds: [.microseconds(10), .milliseconds(5)])
    histogram.record(.microseconds(10))
    histogram.record(.milliseconds(4))
    histogram.record(.seconds(2))
    #expect(
      registry.prometheusText() == """
        # HELP weir_acks_total Responses accepted.
        # TYPE weir_acks_total counter
        weir_acks_total{type="cluster"} 1
        weir_acks_total{type="route"} 3
        # HELP weir_push_seconds Time.
        # TYPE weir_push_seconds histogram
        weir_push_seconds_bucket{type="route",le="1e-05"} 1
        weir_push_seconds_bucket{type="route",le="0.005"} 2
        weir_push_seconds_bucket{type="route",le="+Inf"} 3
        weir_push_seconds_sum{type="route"} 2.00401
        weir_push_seconds_count{type="route"} 3
        # HELP weir_streams Open streams.
        # TYPE weir_streams gauge
        weir_streams -2

        """)
  }

  @Test func hostileTextSurvivesAStrictParse() throws {
    let registry = MetricsRegistry()
    let hostile = "a\"b\\c\nd\r\ne{le=\"1\"} 5 ü😀"
    registry.gauge("g", help: "back\\slash\nand line \"quoted\"", labels: ["x": hostile, "y": ""]).set(4)
    registry.gauges("problems", help: "Problems.") {
      [Sample(labels: ["file": hostile], 1), Sample(labels: ["file": hostile], 2), Sample(labels: ["file": "b"], 0.25)]
    }
    let families = try PrometheusParser.parse(registry.prometheusText())
    let gauge = try #require(families["g"])
    #expect(gauge.help == "back\\slash\nand line \"quoted\"")
    #expect(gauge.series.map(\.key.labels) == [["x": hostile, "y": ""]])
    let problems = try #require(families["problems"])
    #expect(problems.series.map(\.value) == [1, 0.25])
  }

  @Test func theSameLabelsAreTheSameInstrument() {
    let registry = MetricsRegistry()
    let one = registry.counter("c", help: "C.", labels: ["a": "1", "b": "2"])
    let two = registry.counter("c", help: "C.", labels: ["b": "2", "a": "1"])
    #expect(one === two)
    #expect(registry.counter("c", help: "C.", labels: ["a": "2", "b": "2"]) !== one)
    #expect(registry.histogram("h", help: "H.") === registry.histogram("h", help: "H."))
  }

  @Test func callbacksAreReadAtEachScrape() throws {
    let registry = MetricsRegistry()
    let source = Gauge()
    registry.gauge("held", help: "Held.", labels: ["type": "eds"]) { Double(source.value) / 2 }
    registry.counter("sent_total", help: "Sent.") { Double(source.value) }
    registry.gauge("odd", help: "Odd.", labels: ["v": "inf"]) { .infinity }
    registry.gauge("odd", help: "Odd.", labels: ["v": "-inf"]) { -.infinity }
    registry.gauge("odd", help: "Odd.", labels: ["v": "nan"]) { .nan }
    source.set(3)
    #expect(registry.prometheusText().contains("held{type=\"eds\"} 1.5\n"))
    source.set(8)
    let text = registry.prometheusText()
    #expect(text.contains("held{type=\"eds\"} 4\n"))
    #expect(text.contains("# TYPE sent_total counter\nsent_total 8\n"))
    let odd = try #require(try PrometheusParser.parse(text)["odd"])
    #expect(odd.series.map(\.value.description) == ["-inf", "inf", "nan"])
  }

  @Test func aCallbackMayUseTheRegistry() {
    let registry = MetricsRegistry()
    registry.gauge("g", help: "G.") { Double(registry.counter("c", help: "C.").value) }
    #expect(registry.prometheusText() == "# HELP g G.\n# TYPE g gauge\ng 0\n")
  }

  @Test func scrapesAndRegistrationsMayRunTogether() async throws {
    let registry = MetricsRegistry()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<4 {
        group.addTask {
          for step in 0..<200 {
            registry.counter("c_total", help: "C.", labels: ["n": "\(step % 20)"]).increment()
            registry.histogram("h_seconds", help: "H.", labels: ["n": "\(step % 3)"]).record(.microseconds(step))
            if step % 20 == task { _ = try PrometheusParser.parse(registry.prometheusText()) }
          }
        }
      }
      try await group.waitForAll()
    }
    let families = try PrometheusParser.parse(registry.prometheusText())
    #expect(families["c_total"]?.series.map(\.value).reduce(0, +) == 800)
    let counts = families["h_seconds"]?.series.filter { $0.key.name == "h_seconds_count" }.map(\.value)
    #expect(counts?.reduce(0, +) == 800)
  }

  #if os(Linux)
    @Test func namesThatPrometheusWouldNotReadTrap() async {
      await #expect(processExitsWith: .failure) { _ = MetricsRegistry().counter("9lives", help: "") }
      await #expect(processExitsWith: .failure) { _ = MetricsRegistry().gauge("g", help: "", labels: ["a-b": ""]) }
      await #expect(processExitsWith: .failure) { _ = MetricsRegistry().histogram("h", help: "", labels: ["le": ""]) }
      await #expect(processExitsWith: .failure) {
        let registry = MetricsRegistry()
        _ = registry.counter("c", help: "", labels: ["a": ""])
        _ = registry.counter("c", help: "", labels: ["b": ""])
      }
    }
  #endif
}
