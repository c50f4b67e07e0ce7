internal import Telemetry

/// What is measured between a source and the server.
struct PipelineMetrics: Sendable {
  let edits: Counter
  let compileTime: Histogram
  let ingestTime: Histogram
  let generation: Gauge
  let errors: Gauge
  let warnings: Gauge
  let storeFailures: Counter

  init(_ registry: MetricsRegistry) {
    edits = registry.counter("weir_edits_total", help: "Admitted edits of objects.")
    compileTime = registry.histogram(
      "weir_compile_seconds", help: "From a batch's admitted edits to a generation.")
    ingestTime = registry.histogram(
      "weir_ingest_seconds", help: "From a batch of a source to its generation being published.")
    generation = registry.gauge("weir_generation", help: "The newest generation of this process.")
    errors = registry.gauge("weir_problems", help: "Problems of the input.", labels: ["severity": "error"])
    warnings = registry.gauge("weir_problems", help: "Problems of the input.", labels: ["severity": "warning"])
    storeFailures = registry.counter(
      "weir_state_failures_total", help: "Changes that could not be written to the state directory.")
  }
}
