internal import Synchronization
internal import Telemetry
internal import XDSServer
internal import XDSSnapshot

/// The xDS server's counts as metrics: event loops keep their own counts, which are added up when they are read.
final class XDSMetricsView: Sendable {
  private let latest = Mutex(XDSMetrics())

  /// What the server records into.
  let latencies: XDSLatencies

  init(_ registry: MetricsRegistry) {
    latencies = XDSLatencies(
      push: registry.histogram(
        "weir_xds_push_seconds", help: "From a generation's publication to a response being written."),
      ack: registry.histogram("weir_xds_ack_seconds", help: "From a response being written to its ACK."))
    for variant in XDSProtocol.allCases {
      registry.gauge(
        "weir_xds_streams", help: "Open xDS streams.", labels: ["protocol": variant.rawValue],
        read: { [self] in Double(latest.withLock { $0.streams[variant] ?? 0 }) })
    }
    registry.gauge(
      "weir_xds_proxy_classes", help: "Classes (kind, namespace, listen address) of connected proxies.",
      read: { [self] in Double(latest.withLock { $0.classes }) })
    registry.gauge(
      "weir_xds_client_memory_bytes_max",
      help: "Bytes of names, or of unanswered responses, held for the address that holds most.",
      read: { [self] in Double(latest.withLock { $0.largestClient }) })
    counter(registry, "weir_xds_streams_opened_total", "xDS streams since the start.") { $0.streamsOpened }
    counter(registry, "weir_xds_encodings_total", "Responses encoded; all other pushes shared the bytes of one.") {
      $0.encodings
    }
    counter(registry, "weir_xds_unknown_type_requests_total", "Requests for a type that is not served.") {
      $0.unknownTypeRequests
    }
    counter(registry, "weir_xds_invalid_requests_total", "Streams ended because of a request that made no sense.") {
      $0.invalidRequests
    }
    counter(registry, "weir_xds_requests_throttled_total", "Times that a stream's requests were made to wait.") {
      $0.throttledRequests
    }
    for limit in XDSLimit.allCases {
      registry.counter(
        "weir_xds_streams_limited_total", help: "xDS streams ended because they asked for too much.",
        labels: ["reason": limit.rawValue],
        read: { [self] in Double(latest.withLock { $0.limitedStreams[limit] ?? 0 }) })
    }
    counter(
      registry, "weir_xds_suspects_withdrawn_total",
      "Clusters taken back from proxies that answered everything but their clusters."
    ) { $0.suspectsWithdrawn }
    for type in ResourceType.allCases {
      counter(registry, "weir_xds_pushes_total", "Responses sent.", type) { $0.pushes }
      counter(registry, "weir_xds_resources_sent_total", "Resources in responses.", type) { $0.resources }
      counter(registry, "weir_xds_resources_removed_total", "Names in removed_resources.", type) { $0.removed }
      counter(registry, "weir_xds_bytes_sent_total", "Bytes of responses, before HTTP/2.", type) { $0.bytes }
      counter(registry, "weir_xds_requests_total", "Requests, ACKs and NACKs among them.", type) { $0.requests }
      counter(registry, "weir_xds_acks_total", "Responses that a proxy accepted.", type) { $0.acks }
      counter(registry, "weir_xds_nacks_total", "Responses that a proxy refused.", type) { $0.nacks }
      counter(registry, "weir_xds_stale_requests_total", "Requests with the nonce of an older response.", type) {
        $0.stale
      }
    }
  }

  func update(_ metrics: XDSMetrics) { latest.withLock { $0 = metrics } }

  private func counter(
    _ registry: MetricsRegistry, _ name: String, _ help: String, _ read: @escaping @Sendable (XDSMetrics) -> UInt64
  ) {
    registry.counter(name, help: help, read: { [self] in Double(latest.withLock { read($0) }) })
  }

  private func counter(
    _ registry: MetricsRegistry, _ name: String, _ help: String, _ type: ResourceType,
    _ read: @escaping @Sendable (XDSMetrics.TypeCounts) -> UInt64
  ) {
    registry.counter(
      name, help: help, labels: ["type": type.kind.rawValue],
      read: { [self] in Double(latest.withLock { $0.types[type].map(read) ?? 0 }) })
  }
}
