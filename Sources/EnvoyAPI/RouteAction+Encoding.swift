internal import CWeirProtos
internal import ProtobufC

extension Arena {
  func routeAction(_ forward: RouteAction.Forward) -> UnsafeMutablePointer<Envoy__Config__Route__V3__RouteAction> {
    let message = make(envoy__config__route__v3__route_action__init)
    if forward.destinations.count == 1 {
      message.pointee.cluster_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_CLUSTER
      message.pointee.cluster = string(forward.destinations[0].cluster)
    } else {
      let weighted = make(envoy__config__route__v3__weighted_cluster__init)
      weighted.pointee.n_clusters = forward.destinations.count
      weighted.pointee.clusters = array(forward.destinations) { clusterWeight($0) }
      if forward.isSticky {
        weighted.pointee.random_value_specifier_case =
          ENVOY__CONFIG__ROUTE__V3__WEIGHTED_CLUSTER__RANDOM_VALUE_SPECIFIER_USE_HASH_POLICY
        weighted.pointee.use_hash_policy = wrapped(true)
      }
      message.pointee.cluster_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_WEIGHTED_CLUSTERS
      message.pointee.weighted_clusters = weighted
    }
    // Always present: an absent timeout is 15 s to Envoy, and 0 is none.
    message.pointee.timeout = duration(forward.timeout)
    if let retry = forward.retry { message.pointee.retry_policy = retryPolicy(retry) }
    message.pointee.n_hash_policy = forward.hashPolicy.count
    message.pointee.hash_policy = array(forward.hashPolicy) { hashPolicy($0, isTerminal: forward.isSticky) }
    message.pointee.n_request_mirror_policies = forward.mirrors.count
    message.pointee.request_mirror_policies = array(forward.mirrors) { mirrorPolicy($0) }
    if let pathRewrite = forward.pathRewrite { message.pointee.prefix_rewrite = string(pathRewrite) }
    if let hostRewrite = forward.hostRewrite {
      message.pointee.host_rewrite_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL
      message.pointee.host_rewrite_literal = string(hostRewrite)
    }
    return message
  }

  private func clusterWeight(
    _ destination: WeightedCluster
  ) -> UnsafeMutablePointer<Envoy__Config__Route__V3__WeightedCluster__ClusterWeight>? {
    let message = make(envoy__config__route__v3__weighted_cluster__cluster_weight__init)
    message.pointee.name = string(destination.cluster)
    message.pointee.weight = wrapped(destination.weight)
    return message
  }

  private func mirrorPolicy(
    _ mirror: MirrorPolicy
  ) -> UnsafeMutablePointer<Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy>? {
    let share = make(envoy__type__v3__fractional_percent__init)
    share.pointee.numerator = mirror.tenThousandths
    share.pointee.denominator = ENVOY__TYPE__V3__FRACTIONAL_PERCENT__DENOMINATOR_TYPE__TEN_THOUSAND
    let fraction = make(envoy__config__core__v3__runtime_fractional_percent__init)
    fraction.pointee.default_value = share
    let message = make(envoy__config__route__v3__route_action__request_mirror_policy__init)
    message.pointee.cluster = string(mirror.cluster)
    message.pointee.runtime_fraction = fraction
    return message
  }

  private func retryPolicy(_ retry: RetryPolicy) -> UnsafeMutablePointer<Envoy__Config__Route__V3__RetryPolicy> {
    let message = make(envoy__config__route__v3__retry_policy__init)
    message.pointee.retry_on = string(retry.retryOn)
    message.pointee.num_retries = wrapped(retry.attempts)
    if let perTryTimeout = retry.perTryTimeout { message.pointee.per_try_timeout = duration(perTryTimeout) }
    let predicate = make(envoy__config__route__v3__retry_policy__retry_host_predicate__init)
    predicate.pointee.name = string("envoy.retry_host_predicates.previous_hosts")
    predicate.pointee.config_type_case =
      ENVOY__CONFIG__ROUTE__V3__RETRY_POLICY__RETRY_HOST_PREDICATE__CONFIG_TYPE_TYPED_CONFIG
    predicate.pointee.typed_config = any(
      ExtensionTypeURL.previousHosts,
      make(envoy__extensions__retry__host__previous_hosts__v3__previous_hosts_predicate__init))
    message.pointee.n_retry_host_predicate = 1
    message.pointee.retry_host_predicate = array(of: predicate)
    // As in Istio. With Envoy's own 1 a service of two hosts would often retry the host that failed.
    message.pointee.host_selection_retry_max_attempts = 5
    message.pointee.n_retriable_status_codes = retry.retriableStatusCodes.count
    message.pointee.retriable_status_codes = array(retry.retriableStatusCodes) { $0 }
    return message
  }

  private func hashPolicy(
    _ policy: HashPolicy, isTerminal: Bool
  ) -> UnsafeMutablePointer<Envoy__Config__Route__V3__RouteAction__HashPolicy>? {
    let message = make(envoy__config__route__v3__route_action__hash_policy__init)
    message.pointee.terminal = isTerminal ? 1 : 0
    switch policy {
    case .header(let name):
      let header = make(envoy__config__route__v3__route_action__hash_policy__header__init)
      header.pointee.header_name = string(name)
      message.pointee.policy_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_HEADER
      message.pointee.header = header
    case .cookie(let name, let path, let ttl):
      let cookie = make(envoy__config__route__v3__route_action__hash_policy__cookie__init)
      cookie.pointee.name = string(name)
      cookie.pointee.path = string(path)
      if let ttl { cookie.pointee.ttl = duration(ttl) }
      message.pointee.policy_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_COOKIE
      message.pointee.cookie = cookie
    case .queryParameter(let name):
      let parameter = make(envoy__config__route__v3__route_action__hash_policy__query_parameter__init)
      parameter.pointee.name = string(name)
      message.pointee.policy_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_QUERY_PARAMETER
      message.pointee.query_parameter = parameter
    case .sourceIP:
      let connection = make(envoy__config__route__v3__route_action__hash_policy__connection_properties__init)
      connection.pointee.source_ip = 1
      message.pointee.policy_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_CONNECTION_PROPERTIES
      message.pointee.connection_properties = connection
    }
    return message
  }
}
