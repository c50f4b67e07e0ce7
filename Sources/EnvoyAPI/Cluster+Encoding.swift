internal import CWeirProtos
internal import ProtobufC

extension Cluster {
  /// The whole resource's bytes. Equal clusters have equal bytes.
  ///
  /// What the value does not say is set so:
  /// - Circuit breakers stand at their maximum, as in Istio: Envoy's own limit of 1,024 would refuse ordinary load.
  /// - The panic threshold is 1 %: Envoy's own 50 % would send new requests to draining endpoints while half of them drain.
  ///   Where none is left but draining ones, they get the requests after all, which beats a 503.
  /// - A host goes when EDS leaves it out, whatever its health.
  public func encoded() -> [UInt8] {
    Arena.withScratch { arena in
      arena.withMemo { memo in memo.cluster(self) { $0.packed() } }
    }
  }

  /// The same by libprotobuf-c alone.
  func packed() -> [UInt8] {
    Arena.withScratch { arena in Packing.packed(arena.cluster(self)) }
  }
}

extension Arena {
  fileprivate func cluster(_ cluster: Cluster) -> UnsafeMutablePointer<Envoy__Config__Cluster__V3__Cluster> {
    let message = make(envoy__config__cluster__v3__cluster__init)
    let name = string(cluster.name)
    message.pointee.name = name
    message.pointee.cluster_discovery_type_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_TYPE
    message.pointee.type = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS
    let eds = make(envoy__config__cluster__v3__cluster__eds_cluster_config__init)
    eds.pointee.eds_config = aggregatedConfigSource()
    eds.pointee.service_name = name
    message.pointee.eds_cluster_config = eds
    message.pointee.connect_timeout = duration(cluster.connectTimeout)
    setLoadBalancing(cluster.loadBalancing, of: message)
    message.pointee.circuit_breakers = openCircuitBreakers()
    let panic = make(envoy__type__v3__percent__init)
    panic.pointee.value = 1
    let common = make(envoy__config__cluster__v3__cluster__common_lb_config__init)
    common.pointee.healthy_panic_threshold = panic
    message.pointee.common_lb_config = common
    message.pointee.ignore_health_on_host_removal = 1
    if cluster.speaksHTTP2 {
      message.pointee.n_typed_extension_protocol_options = 1
      message.pointee.typed_extension_protocol_options = array(of: http2Options())
    }
    return message
  }

  private func setLoadBalancing(
    _ loadBalancing: Cluster.LoadBalancing, of message: UnsafeMutablePointer<Envoy__Config__Cluster__V3__Cluster>
  ) {
    switch loadBalancing {
    case .roundRobin:
      message.pointee.lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__ROUND_ROBIN
    case .leastRequest:
      message.pointee.lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__LEAST_REQUEST
    case .random:
      message.pointee.lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RANDOM
    case .ringHash(let minimumSize):
      message.pointee.lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RING_HASH
      let ring = make(envoy__config__cluster__v3__cluster__ring_hash_lb_config__init)
      ring.pointee.minimum_ring_size = wrapped(minimumSize)
      message.pointee.lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_RING_HASH_LB_CONFIG
      message.pointee.ring_hash_lb_config = ring
    case .maglev(let tableSize):
      message.pointee.lb_policy = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__MAGLEV
      guard let tableSize else { return }
      let maglev = make(envoy__config__cluster__v3__cluster__maglev_lb_config__init)
      maglev.pointee.table_size = wrapped(tableSize)
      message.pointee.lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_MAGLEV_LB_CONFIG
      message.pointee.maglev_lb_config = maglev
    }
  }

  private func openCircuitBreakers() -> UnsafeMutablePointer<Envoy__Config__Cluster__V3__CircuitBreakers> {
    let unlimited = wrapped(UInt32.max)
    let thresholds = make(envoy__config__cluster__v3__circuit_breakers__thresholds__init)
    thresholds.pointee.max_connections = unlimited
    thresholds.pointee.max_pending_requests = unlimited
    thresholds.pointee.max_requests = unlimited
    thresholds.pointee.max_retries = unlimited
    let message = make(envoy__config__cluster__v3__circuit_breakers__init)
    message.pointee.n_thresholds = 1
    message.pointee.thresholds = array(of: thresholds)
    return message
  }

  /// HTTP/2 to the backends without asking.
  private func http2Options()
    -> UnsafeMutablePointer<Envoy__Config__Cluster__V3__Cluster__TypedExtensionProtocolOptionsEntry>
  {
    let explicit = make(envoy__extensions__upstreams__http__v3__http_protocol_options__explicit_http_config__init)
    explicit.pointee.protocol_config_case =
      ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_HTTP2_PROTOCOL_OPTIONS
    explicit.pointee.http2_protocol_options = make(envoy__config__core__v3__http2_protocol_options__init)
    let options = make(envoy__extensions__upstreams__http__v3__http_protocol_options__init)
    options.pointee.upstream_protocol_options_case =
      ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_EXPLICIT_HTTP_CONFIG
    options.pointee.explicit_http_config = explicit
    let entry = make(envoy__config__cluster__v3__cluster__typed_extension_protocol_options_entry__init)
    entry.pointee.key = string(ExtensionTypeURL.httpProtocolOptionsName)
    entry.pointee.value = any(ExtensionTypeURL.httpProtocolOptions, options)
    return entry
  }
}
