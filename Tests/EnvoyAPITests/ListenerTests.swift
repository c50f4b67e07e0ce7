import EnvoyAPI
import Testing

@Suite struct ListenerTests {
  private static let type = "envoy.config.listener.v3.Listener"

  private func decoded(_ listener: Listener) throws -> JSON {
    let bytes = listener.encoded()
    #expect(bytes == listener.encoded())
    let json = try RealProtobuf.decode(Self.type, bytes)
    #expect(try EnvoyJSON.json(Self.type, bytes) == json, "our rendering is the real one")
    return json
  }

  @Test func http() throws {
    let json = try decoded(
      Listener(name: "outbound", address: "127.0.0.1", port: 15_001, kind: .http(routeConfiguration: "table")))
    #expect(
      json == """
        {
          "name": "outbound",
          "statPrefix": "outbound",
          "address": {"socketAddress": {"address": "127.0.0.1", "portValue": 15001}},
          "trafficDirection": "OUTBOUND",
          "filterChains": [{
            "filters": [{
              "name": "envoy.filters.network.http_connection_manager",
              "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "statPrefix": "outbound",
                "rds": {"configSource": {"ads": {}, "resourceApiVersion": "V3"}, "routeConfigName": "table"},
                "httpFilters": [{
                  "name": "envoy.filters.http.router",
                  "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
                }],
                "upgradeConfigs": [{"upgradeType": "websocket"}],
                "streamIdleTimeout": "0s",
                "normalizePath": true,
                "stripTrailingHostDot": true
              }
            }]
          }]
        }
        """)
  }

  @Test func tcp() throws {
    let json = try decoded(
      Listener(name: "tcp-5432", address: "::1", port: 5432, kind: .tcp(cluster: "outbound|5432||db")))
    #expect(
      json == """
        {
          "name": "tcp-5432",
          "statPrefix": "tcp-5432",
          "address": {"socketAddress": {"address": "::1", "portValue": 5432}},
          "trafficDirection": "OUTBOUND",
          "filterChains": [{
            "filters": [{
              "name": "envoy.filters.network.tcp_proxy",
              "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "statPrefix": "tcp-5432",
                "cluster": "outbound|5432||db"
              }
            }]
          }]
        }
        """)
  }
}
