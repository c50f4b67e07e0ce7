/// How a sidecar reaches its control plane.
public enum ControlPlaneAddress: Sendable, Hashable {
  /// TCP, readable by everybody on the way; the port is not 0.
  case plain(HostPort)
  case tls(HostPort, UpstreamTLS)
  /// A Unix domain socket.
  case unix(path: String)
}

/// How a sidecar knows its control plane, and what it shows of itself. Files are PEM and lie where Envoy runs, which reads
/// them when it starts.
public struct UpstreamTLS: Sendable, Hashable {
  /// The certificates of those who may sign the control plane's certificate.
  public var ca: String
  /// The sidecar's own certificate and key; nil shows none.
  public var client: Client?
  /// The name (or IP address) that the control plane's certificate must bear; nil for the host that is connected to.
  public var serverName: String?

  public struct Client: Sendable, Hashable {
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  public init(ca: String, client: Client? = nil, serverName: String? = nil) {
    self.ca = ca
    self.client = client
    self.serverName = serverName
  }

  /// Envoy's UpstreamTlsContext.
  func transportSocket(host: String) -> JSONText {
    let name = serverName ?? host
    let isAddress = HostPort(host: name, port: 0).isIPAddress
    var common: [String: JSONText] = [
      "alpn_protocols": ["h2"],
      // Envoy's own limit for clients is 1.2, which shows the client's certificate to whoever listens.
      "tls_params": ["tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"],
      "validation_context": [
        "trusted_ca": ["filename": .string(ca)],
        "match_typed_subject_alt_names": [
          ["san_type": isAddress ? "IP_ADDRESS" : "DNS", "matcher": ["exact": .string(name)]]
        ],
      ],
    ]
    if let client {
      common["tls_certificates"] = [
        [
          "certificate_chain": ["filename": .string(client.certificate)],
          "private_key": ["filename": .string(client.key)],
        ]
      ]
    }
    var context: [String: JSONText] = [
      "@type": .type("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
      "common_tls_context": .object(common),
    ]
    // RFC 6066, section 3: an address is no server name.
    if !isAddress { context["sni"] = .string(name) }
    return ["name": "envoy.transport_sockets.tls", "typed_config": .object(context)]
  }
}
