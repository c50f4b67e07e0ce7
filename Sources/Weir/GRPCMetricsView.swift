internal import GRPCTransport
internal import HTTP2Transport
internal import Telemetry

/// The gRPC server's counts as metrics, read when they are scraped.
enum GRPCMetricsView {
  static func register(_ server: GRPCServer, _ memory: BufferAccount, _ limits: Limits, in registry: MetricsRegistry) {
    for limit in limits.byName {
      registry.gauge(
        "weir_limit", help: "The limits that clients are held to.", labels: ["limit": limit.name]
      ).set(Int(limit.value.rounded(.up)))
    }
    registry.gauge("weir_grpc_connections", help: "Open connections of clients.") { Double(server.connectionCount) }
    registry.gauge(
      "weir_grpc_connections_distrusted",
      help: "Open connections from addresses where rules were broken; they are served after all others."
    ) { Double(server.distrustedConnectionCount) }
    registry.counter(
      "weir_grpc_connections_accepted_total", help: "Connections since the start, refused ones not counted."
    ) {
      Double(server.acceptedConnectionCount)
    }
    for reason in GRPCConnectionRefusal.allCases {
      registry.counter(
        "weir_grpc_connections_refused_total", help: "New connections turned away.", labels: ["reason": reason.rawValue]
      ) { Double(server.counts.refusedConnections[reason]) }
    }
    for reason in HTTP2ConnectionError.Code.allCases {
      registry.counter(
        "weir_grpc_connections_closed_total", help: "Connections that have ended.", labels: ["reason": reason.rawValue]
      ) { Double(server.counts.closedConnections[reason]) }
    }
    registry.gauge("weir_grpc_streams", help: "Open calls.") { Double(server.callCount) }
    for reason in GRPCStreamLimit.allCases {
      registry.counter(
        "weir_grpc_streams_limited_total", help: "Calls ended by a limit of the transport.",
        labels: ["reason": reason.rawValue]
      ) { Double(server.counts.limitedStreams[reason]) }
    }
    registry.gauge("weir_grpc_buffer_bytes", help: "Bytes held for clients; what is shared counts once.") {
      Double(memory.bytes)
    }
    registry.counter("weir_grpc_buffer_refusals_total", help: "Times that there was no room for more.") {
      Double(memory.refusals)
    }
  }
}
