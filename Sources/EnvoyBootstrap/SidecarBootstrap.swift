/// What a sidecar Envoy starts with: who it is, and where its control plane listens. Everything else comes over xDS.
///
/// Written for Envoy 1.40 without deprecated fields; see "Bootstrap configuration" in Envoy's documentation.
public struct SidecarBootstrap: Sendable, Hashable {
  public enum DiscoveryProtocol: String, Sendable, Hashable, CaseIterable {
    case delta
    /// State of the world.
    case sotw
  }

  public var nodeID: String
  public var namespace: String
  /// The labels of the workload, Istio's `LABELS`.
  public var labels: [String: String]
  /// The control plane.
  public var xds: ControlPlaneAddress
  /// Where the application reaches the sidecar; the host is an IP literal.
  public var listen: HostPort
  /// Envoy's own admin server; the host is an IP literal.
  public var admin: HostPort
  public var discoveryProtocol: DiscoveryProtocol
  /// Clusters come when they are needed; nil leaves it to the control plane.
  public var onDemand: Bool?

  public init(
    nodeID: String, namespace: String = NodeMetadata.defaultNamespace, labels: [String: String] = [:],
    xds: ControlPlaneAddress,
    listen: HostPort = NodeMetadata.defaultListen, admin: HostPort = HostPort(host: "127.0.0.1", port: 15000),
    discoveryProtocol: DiscoveryProtocol = .delta
  ) {
    self.nodeID = nodeID
    self.namespace = namespace
    self.labels = labels
    self.xds = xds
    self.listen = listen
    self.admin = admin
    self.discoveryProtocol = discoveryProtocol
  }

  /// The bootstrap as indented JSON with its keys in order, which is YAML as well. Equal values give equal text.
  public func json() -> String {
    var metadata: [String: JSONText] = [
      NodeMetadata.namespace: .string(namespace),
      NodeMetadata.labels: .object(labels.mapValues(JSONText.string)),
      NodeMetadata.kind: "sidecar",
      NodeMetadata.listen: .string(listen.description),
    ]
    if let onDemand { metadata[NodeMetadata.onDemand] = .string("\(onDemand)") }
    let document: JSONText = [
      "node": [
        "id": .string(nodeID),
        // Istio's "service cluster": the workload, for Envoy's own statistics and traces.
        "cluster": .string("\(labels["app"] ?? "sidecar").\(namespace)"),
        "metadata": .object(metadata),
      ],
      "admin": ["address": socketAddress(admin)],
      "dynamic_resources": [
        "ads_config": [
          "api_type": discoveryProtocol == .delta ? "DELTA_GRPC" : "GRPC",
          "transport_api_version": "V3",
          "set_node_on_first_message_only": true,
          "grpc_services": [
            [
              "envoy_grpc": [
                "cluster_name": "xds",
                // Envoy's own 0.5 s … 30 s would leave a sidecar half a minute behind a control plane that is back.
                "retry_policy": ["retry_back_off": ["base_interval": "0.1s", "max_interval": "2s"]],
              ]
            ]
          ],
        ],
        // Without a limit: a sidecar that never heard its control plane stays "initializing" and unready, instead of
        // going live without listeners after 15 s.
        "cds_config": ["ads": [:], "resource_api_version": "V3", "initial_fetch_timeout": "0s"],
        "lds_config": ["ads": [:], "resource_api_version": "V3", "initial_fetch_timeout": "0s"],
      ],
      "static_resources": ["clusters": [controlPlane]],
      // Bounds what the connections of an application gone wrong can take; without a limit Envoy warns when it starts.
      "overload_manager": [
        "resource_monitors": [
          [
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": [
              "@type": .type(
                "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"),
              "max_active_downstream_connections": 50000,
            ],
          ]
        ]
      ],
    ]
    return document.text + "\n"
  }

  private var controlPlane: JSONText {
    let threshold: [String: JSONText] = [
      "max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000, "max_retries": 100_000,
    ]
    var cluster: [String: JSONText] = [
      "name": "xds",
      "connect_timeout": "1s",
      "load_assignment": [
        "cluster_name": "xds",
        "endpoints": [["lb_endpoints": [["endpoint": ["address": controlPlaneAddress]]]]],
      ],
      "circuit_breakers": [
        "thresholds": .array(
          ["DEFAULT", "HIGH"].map { .object(threshold.merging(["priority": .string($0)]) { $1 }) })
      ],
      "typed_extension_protocol_options": [
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": [
          "@type": .type("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
          "explicit_http_config": [
            "http2_protocol_options": ["connection_keepalive": ["interval": "30s", "timeout": "5s"]]
          ],
        ]
      ],
    ]
    switch xds {
    case .unix:
      cluster["type"] = "STATIC"
      return .object(cluster)
    case .plain(let address): setHost(address, in: &cluster)
    case .tls(let address, let tls):
      setHost(address, in: &cluster)
      cluster["transport_socket"] = tls.transportSocket(host: address.host)
    }
    // A peer that vanished without a word is noticed while HTTP/2 still waits for its connection.
    cluster["upstream_connection_options"] = [
      "tcp_keepalive": ["keepalive_time": 30, "keepalive_interval": 5, "keepalive_probes": 3]
    ]
    return .object(cluster)
  }

  private var controlPlaneAddress: JSONText {
    switch xds {
    case .plain(let address), .tls(let address, _): socketAddress(address)
    case .unix(let path): ["pipe": ["path": .string(path)]]
    }
  }

  private func setHost(_ address: HostPort, in cluster: inout [String: JSONText]) {
    if address.isIPAddress {
      cluster["type"] = "STATIC"
    } else {
      // What `type: STRICT_DNS` was; Envoy 1.40 warns that its refresh rates as fields of the cluster are deprecated.
      cluster["cluster_type"] = [
        "name": "envoy.cluster.dns",
        "typed_config": [
          "@type": .type("envoy.extensions.clusters.dns.v3.DnsCluster"),
          "dns_refresh_rate": "5s",
          "dns_failure_refresh_rate": ["base_interval": "0.2s", "max_interval": "2s"],
        ],
      ]
    }
  }

  private func socketAddress(_ address: HostPort) -> JSONText {
    ["socket_address": ["address": .string(address.host), "port_value": .number(Int(address.port))]]
  }
}
