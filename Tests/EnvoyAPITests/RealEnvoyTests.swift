import EnvoyAPI
import Foundation
import Testing

/// What a real Envoy says of our messages: the descriptors know no field's bounds.
@Suite struct RealEnvoyTests {
  private static let envoy = Scripts.packageRoot.appendingPathComponent(".venv/envoy")

  @Test func acceptsListenersRoutesAndClusters() throws {
    let listener = Listener(
      name: "outbound", address: "127.0.0.1", port: 15_001, kind: .http(routeConfiguration: "table"))
    let host = VirtualHost(
      name: "shop", domains: ["shop"],
      routes: [
        Route(
          match: RouteMatch(headers: [
            HeaderMatcher(name: "x-team", match: .prefix("a-"), inverted: true),
            HeaderMatcher(name: "x-none", match: nil, inverted: true),
          ]),
          action: .forward(
            .init(
              destinations: [WeightedCluster(cluster: "c", weight: 1)],
              retry: RetryPolicy(retryOn: "connect-failure,cancelled", attempts: 2))))
      ])
    let routes = RouteConfiguration.encodedHeader(name: "table") + host.encodedFragment()
    let outcome = try validate(
      listeners: [
        EnvoyJSON.render(typeURL: TypeURL.listener, bytes: listener.encoded()),
        Self.plainListener(routes: EnvoyJSON.render(typeURL: TypeURL.route, bytes: routes)),
      ],
      clusters: [EnvoyJSON.render(typeURL: TypeURL.cluster, bytes: Cluster(name: "c").encoded())])
    #expect(outcome.status == 0 && outcome.output.contains("OK"), "\(outcome.output)")
  }

  @Test func theValidationSeesWhatIsWrong() throws {
    let listener = Listener(name: "", address: "no address", port: 1, kind: .tcp(cluster: "c"))
    let outcome = try validate(
      listeners: [EnvoyJSON.render(typeURL: TypeURL.listener, bytes: listener.encoded())], clusters: [])
    #expect(outcome.status != 0)
    #expect(outcome.output.contains("malformed IP address"), "\(outcome.output)")
  }

  /// A listener with its routes in itself, so that these are looked at as well.
  private static func plainListener(routes: String) -> String {
    """
    {"name": "plain", "address": {"socketAddress": {"address": "127.0.0.1", "portValue": 15002}},
     "filterChains": [{"filters": [{"name": "http", "typedConfig": {
       "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
       "statPrefix": "plain", "routeConfig": \(routes),
       "httpFilters": [{"name": "router", "typedConfig": {
         "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}]}
    """
  }

  private func validate(listeners: [String], clusters: [String]) throws -> Scripts.Outcome {
    guard FileManager.default.isExecutableFile(atPath: Self.envoy.path) else {
      throw Scripts.Failure(description: "\(Self.envoy.path) is missing: `make test` installs it")
    }
    let xds = """
      {"name": "xds", "type": "STATIC", "loadAssignment": {"clusterName": "xds"}}
      """
    let bootstrap = """
      {"node": {"id": "n", "cluster": "c"},
       "dynamicResources": {"adsConfig": {"apiType": "GRPC", "transportApiVersion": "V3",
         "grpcServices": [{"envoyGrpc": {"clusterName": "xds"}}]}},
       "staticResources": {"listeners": [\(listeners.joined(separator: ", "))],
         "clusters": [\((clusters + [xds]).joined(separator: ", "))]}}
      """
    return try Scripts.withTemporaryFolder { folder in
      let file = folder.appendingPathComponent("bootstrap.json")
      try Data(bootstrap.utf8).write(to: file)
      return try Scripts.run(Self.envoy, ["--mode", "validate", "--config-path", file.path])
    }
  }
}
