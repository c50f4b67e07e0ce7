import EnvoyHarness

/// Bootstraps that need no control plane: routes are static, endpoints come from a file. A request that
/// cannot connect is retried on another host, as Istio's default has it; `/unknown` leads to a cluster that is not there.
enum StaticEnvoy {
  static func bootstrap(endpointFile: String) -> String {
    """
    node: {id: static, cluster: test}
    admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
    static_resources:
      listeners:
      - name: outbound
        address: {socket_address: {address: 127.0.0.1, port_value: 0}}
        filter_chains:
        - filters:
          - name: http
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
              stat_prefix: outbound
              route_config:
                name: outbound
                validate_clusters: false
                virtual_hosts:
                - name: all
                  domains: ["*"]
                  routes:
                  - {match: {prefix: /missing}, direct_response: {status: 404}}
                  - match: {prefix: /unknown}
                    route: {cluster: "outbound|80||nobody"}
                  - match: {prefix: /}
                    route:
                      cluster: "outbound|80||reviews"
                      retry_policy:
                        retry_on: connect-failure
                        num_retries: 2
                        retry_host_predicate:
                        - name: previous
                          typed_config:
                            "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate
                        host_selection_retry_max_attempts: 5
              http_filters:
              - name: router
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
      clusters:
      - name: "outbound|80||reviews"
        type: EDS
        connect_timeout: 1s
        eds_cluster_config:
          eds_config: {path_config_source: {path: \(endpointFile)}, resource_api_version: V3}
    """
  }

  static func endpoints(_ addresses: [(ip: String, port: Int)]) -> String {
    let endpoints = addresses.map {
      "    - endpoint: {address: {socket_address: {address: \($0.ip), port_value: \($0.port)}}}"
    }
    return """
      resources:
      - "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
        cluster_name: "outbound|80||reviews"
        endpoints:
        - lb_endpoints:
      \(endpoints.joined(separator: "\n"))
      """
  }
}
