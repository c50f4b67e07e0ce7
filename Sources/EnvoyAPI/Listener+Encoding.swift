internal import CWeirProtos
internal import ProtobufC

extension Listener {
  /// The whole resource's bytes. Equal listeners have equal bytes.
  ///
  /// What the value does not say is set so:
  /// - A stream may be idle without end, as in Istio: Envoy's own 5 minutes would cut quiet gRPC streams and WebSockets.
  /// - Paths are normalised before routes match (RFC 3986, section 6), so that `/a/../b` cannot slip past a rule for `/b`.
  /// - A name that ends in a dot, which is how DNS writes a full one, is that name without it: no domain of a virtual host
  ///   has the dot, so such a request would get 404.
  public func encoded() -> [UInt8] {
    Arena.withScratch { arena in Packing.packed(arena.listener(self)) }
  }
}

extension Arena {
  fileprivate func listener(_ listener: Listener) -> UnsafeMutablePointer<Envoy__Config__Listener__V3__Listener> {
    let name = string(listener.name)
    let filter =
      switch listener.kind {
      case .http(let routeConfiguration, let fetchesClusters):
        networkFilter(
          "envoy.filters.network.http_connection_manager", ExtensionTypeURL.httpConnectionManager,
          connectionManager(
            statPrefix: name, routeConfiguration: routeConfiguration, fetchesClusters: fetchesClusters))
      case .tcp(let cluster):
        networkFilter(
          "envoy.filters.network.tcp_proxy", ExtensionTypeURL.tcpProxy, tcpProxy(statPrefix: name, cluster: cluster))
      }
    let chain = make(envoy__config__listener__v3__filter_chain__init)
    chain.pointee.n_filters = 1
    chain.pointee.filters = array(of: filter)
    let message = make(envoy__config__listener__v3__listener__init)
    message.pointee.name = name
    message.pointee.stat_prefix = name
    message.pointee.address = socketAddress(listener.address, port: listener.port)
    message.pointee.n_filter_chains = 1
    message.pointee.filter_chains = array(of: chain)
    message.pointee.traffic_direction = ENVOY__CONFIG__CORE__V3__TRAFFIC_DIRECTION__OUTBOUND
    return message
  }

  private func networkFilter(
    _ name: String, _ typeURL: String, _ configuration: UnsafeRawPointer
  ) -> UnsafeMutablePointer<Envoy__Config__Listener__V3__Filter>? {
    let message = make(envoy__config__listener__v3__filter__init)
    message.pointee.name = string(name)
    message.pointee.config_type_case = ENVOY__CONFIG__LISTENER__V3__FILTER__CONFIG_TYPE_TYPED_CONFIG
    message.pointee.typed_config = any(typeURL, configuration)
    return message
  }

  private func connectionManager(
    statPrefix: UnsafeMutablePointer<CChar>, routeConfiguration: String, fetchesClusters: Bool
  ) -> UnsafeRawPointer {
    let rds = make(envoy__extensions__filters__network__http_connection_manager__v3__rds__init)
    rds.pointee.config_source = aggregatedConfigSource()
    rds.pointee.route_config_name = string(routeConfiguration)
    var filters = [
      httpFilter(
        "envoy.filters.http.router", ExtensionTypeURL.router,
        make(envoy__extensions__filters__http__router__v3__router__init))
    ]
    if fetchesClusters {
      filters.insert(httpFilter("envoy.filters.http.on_demand", ExtensionTypeURL.onDemand, onDemand()), at: 0)
    }
    let upgrade = make(
      envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__upgrade_config__init)
    upgrade.pointee.upgrade_type = string("websocket")

    let message = make(
      envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__init)
    // `codec_type` stays AUTO: by the connection's first bytes.
    message.pointee.stat_prefix = statPrefix
    message.pointee.route_specifier_case =
      ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__ROUTE_SPECIFIER_RDS
    message.pointee.rds = rds
    message.pointee.n_http_filters = filters.count
    message.pointee.http_filters = array(filters) { $0 }
    message.pointee.n_upgrade_configs = 1
    message.pointee.upgrade_configs = array(of: upgrade)
    message.pointee.stream_idle_timeout = duration(Milliseconds(0))
    message.pointee.normalize_path = wrapped(true)
    message.pointee.strip_trailing_host_dot = 1
    return UnsafeRawPointer(message)
  }

  private func httpFilter(
    _ name: String, _ typeURL: String, _ configuration: UnsafeRawPointer
  ) -> UnsafeMutablePointer<Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter>? {
    let message = make(envoy__extensions__filters__network__http_connection_manager__v3__http_filter__init)
    message.pointee.name = string(name)
    message.pointee.config_type_case =
      ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_FILTER__CONFIG_TYPE_TYPED_CONFIG
    message.pointee.typed_config = any(typeURL, configuration)
    return message
  }

  private func onDemand() -> UnsafeRawPointer {
    let clusters = make(envoy__extensions__filters__http__on_demand__v3__on_demand_cds__init)
    clusters.pointee.source = aggregatedConfigSource()
    clusters.pointee.timeout = duration(Milliseconds(5000))
    let message = make(envoy__extensions__filters__http__on_demand__v3__on_demand__init)
    message.pointee.odcds = clusters
    return UnsafeRawPointer(message)
  }

  private func tcpProxy(statPrefix: UnsafeMutablePointer<CChar>, cluster: String) -> UnsafeRawPointer {
    let message = make(envoy__extensions__filters__network__tcp_proxy__v3__tcp_proxy__init)
    message.pointee.stat_prefix = statPrefix
    message.pointee.cluster_specifier_case =
      ENVOY__EXTENSIONS__FILTERS__NETWORK__TCP_PROXY__V3__TCP_PROXY__CLUSTER_SPECIFIER_CLUSTER
    message.pointee.cluster = string(cluster)
    return UnsafeRawPointer(message)
  }
}
