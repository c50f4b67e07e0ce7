import EnvoyBootstrap
import Foundation
import Testing

@Suite struct SidecarBootstrapTests {
  private func bootstrap(
    xds: String = "127.0.0.1:15010", discoveryProtocol: SidecarBootstrap.DiscoveryProtocol = .delta
  ) throws -> SidecarBootstrap {
    SidecarBootstrap(
      nodeID: "reviews-1", namespace: "shop", labels: ["version": "v1", "app": "reviews"],
      xds: .plain(try HostPort(xds)),
      discoveryProtocol: discoveryProtocol)
  }

  @Test func itSaysWhoAndWhere() throws {
    let document = try Document(bootstrap())
    #expect(document.text("node.id") == "reviews-1")
    #expect(document.text("node.cluster") == "reviews.shop")
    #expect(document.text("dynamic_resources.ads_config.api_type") == "DELTA_GRPC")
    #expect(document.text("dynamic_resources.ads_config.grpc_services.0.envoy_grpc.cluster_name") == "xds")
    let cluster = "static_resources.clusters.0."
    #expect(document.text(cluster + "type") == "STATIC")
    let address = cluster + "load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address."
    #expect(document.text(address + "address") == "127.0.0.1")
    #expect(document[address + "port_value"] as? Int == 15010)
    #expect(document["admin.address.socket_address.port_value"] as? Int == 15000)
  }

  @Test func stateOfTheWorldAndNames() throws {
    let document = try Document(bootstrap(xds: "weir.infra:15010", discoveryProtocol: .sotw))
    #expect(document.text("dynamic_resources.ads_config.api_type") == "GRPC")
    #expect(document["static_resources.clusters.0.type"] == nil)
    #expect(document.text("static_resources.clusters.0.cluster_type.name") == "envoy.cluster.dns")
  }

  private func bootstrap(_ xds: ControlPlaneAddress) throws -> Document {
    try Document(SidecarBootstrap(nodeID: "reviews-1", xds: xds))
  }

  @Test func aUnixSocket() throws {
    let document = try bootstrap(.unix(path: "/run/weir/xds.sock"))
    let cluster = "static_resources.clusters.0."
    #expect(document.text(cluster + "type") == "STATIC")
    let address = cluster + "load_assignment.endpoints.0.lb_endpoints.0.endpoint.address."
    #expect(document.text(address + "pipe.path") == "/run/weir/xds.sock")
    #expect(document[address + "socket_address"] == nil)
    // A Unix socket has none of TCP's options, and Envoy would fail to set them.
    #expect(document[cluster + "upstream_connection_options"] == nil)
    #expect(document[cluster + "transport_socket"] == nil)
  }

  @Test func mutualTLS() throws {
    let tls = UpstreamTLS(ca: "/ca.pem", client: .init(certificate: "/web.pem", key: "/web.key"))
    let document = try bootstrap(.tls(HostPort(host: "weir.infra", port: 15012), tls))
    let socket = "static_resources.clusters.0.transport_socket.typed_config."
    #expect(document.text(socket + "sni") == "weir.infra")
    let common = socket + "common_tls_context."
    #expect(document[common + "alpn_protocols"] as? [String] == ["h2"])
    #expect(document.text(common + "validation_context.trusted_ca.filename") == "/ca.pem")
    let name = common + "validation_context.match_typed_subject_alt_names.0."
    #expect(document.text(name + "san_type") == "DNS")
    #expect(document.text(name + "matcher.exact") == "weir.infra")
    #expect(document.text(common + "tls_certificates.0.certificate_chain.filename") == "/web.pem")
    #expect(document.text(common + "tls_certificates.0.private_key.filename") == "/web.key")
    #expect(document.text("static_resources.clusters.0.cluster_type.name") == "envoy.cluster.dns")
  }

  @Test func tlsWithoutAClientCertificateAndByAddress() throws {
    let address = HostPort(host: "::1", port: 15012)
    let document = try bootstrap(.tls(address, UpstreamTLS(ca: "/ca.pem")))
    let socket = "static_resources.clusters.0.transport_socket.typed_config."
    #expect(document[socket + "sni"] == nil)
    let common = socket + "common_tls_context."
    #expect(document[common + "tls_certificates"] == nil)
    let name = common + "validation_context.match_typed_subject_alt_names.0."
    #expect(document.text(name + "san_type") == "IP_ADDRESS")
    #expect(document.text(name + "matcher.exact") == "::1")
    let named = try bootstrap(.tls(address, UpstreamTLS(ca: "/ca.pem", serverName: "weir.test")))
    #expect(named.text(socket + "sni") == "weir.test")
    #expect(named.text(name + "matcher.exact") == "weir.test")
  }

  @Test func theTextIsIndentedAndItsKeysAreInOrder() throws {
    let text = try bootstrap().json()
    #expect(
      text.hasPrefix("{\n  \"admin\": {\n    \"address\": {\n      \"socket_address\": {\n        \"address\": \"127"))
    #expect(text.hasSuffix("\n}\n"))
    #expect(text == (try bootstrap().json()))
    let top = text.split(separator: "\n").filter { $0.hasPrefix("  \"") }.map { $0.prefix { $0 != ":" } }
    #expect(top == top.sorted())
    let canonical = try JSONSerialization.data(
      withJSONObject: Document(bootstrap()).root, options: [.sortedKeys, .withoutEscapingSlashes])
    #expect(String(decoding: canonical, as: UTF8.self) == text.replacing(/\n */, with: "").replacing(": ", with: ":"))
  }

  @Test func hostileTextStaysText() throws {
    let hostile = "a\"b\\c\n\t\u{1}\u{7f}\u{85}\u{2028}: #ü😀"
    let bootstrap = SidecarBootstrap(
      nodeID: hostile, labels: [hostile: hostile], xds: .plain(HostPort(host: "127.0.0.1", port: 1)))
    let document = try Document(bootstrap)
    #expect(document.text("node.id") == hostile)
    #expect(try document.metadata()["LABELS"] == .object([hostile: .string(hostile)]))
  }
}
