internal import CWeirProtos
internal import ProtobufC

/// `envoy.config.route.v3.RouteConfiguration` in parts: its bytes are the header's and then each virtual host's.
public enum RouteConfiguration {
  /// The bytes of the `name` field. On its own this is a valid resource: a table without hosts, which answers 404.
  public static func encodedHeader(name: String) -> [UInt8] {
    Arena.withScratch { arena in
      let message = arena.make(envoy__config__route__v3__route_configuration__init)
      message.pointee.name = arena.string(name)
      return Packing.packed(message)
    }
  }

  /// A route table whose hosts are resources of their own (VHDS), taken from the stream that the table came on.
  ///
  /// A host of it is named `NAME/…`; Envoy takes no host of another prefix.
  public static func encodedHostByHost(name: String) -> [UInt8] {
    Arena.withScratch { arena in
      let vhds = arena.make(envoy__config__route__v3__vhds__init)
      vhds.pointee.config_source = arena.aggregatedConfigSource()
      let message = arena.make(envoy__config__route__v3__route_configuration__init)
      message.pointee.name = arena.string(name)
      message.pointee.vhds = vhds
      return Packing.packed(message)
    }
  }

  /// The number of the repeated field `virtual_hosts`.
  static let virtualHostsField: UInt32 = 2
}

extension VirtualHost {
  /// The bytes of this host as one element of `RouteConfiguration.virtual_hosts`. Equal hosts have equal bytes.
  public func encodedFragment() -> [UInt8] {
    Arena.withScratch { arena in
      Packing.packedField(RouteConfiguration.virtualHostsField, arena.virtualHost(self))
    }
  }

  /// The bytes of the name field alone, with which a `VirtualHost` begins.
  public static func encodedName(_ name: String) -> [UInt8] {
    var bytes: [UInt8] = []
    WireFormat.appendField(1, name, to: &bytes)
    return bytes
  }

  /// The bytes of domains alone: after those of a `VirtualHost` they are further ones of it.
  public static func encodedDomains(_ domains: [String]) -> [UInt8] {
    var bytes: [UInt8] = []
    for domain in domains { WireFormat.appendElement(2, domain, to: &bytes) }
    return bytes
  }

  /// Where, in the bytes of `encodedFragment`, all that follows the host's name begins. With a name before it, that is a
  /// whole `VirtualHost`: fields are packed in the order of their numbers, and the name is the first. O(1).
  public static func offsetAfterName(inFragment bytes: [UInt8]) -> Int {
    bytes.withUnsafeBytes { bytes in
      var outer = WireFields(bytes)
      guard let start = bytes.baseAddress, let host = try? outer.next()?.payload, let hostStart = host.baseAddress
      else {
        preconditionFailure("these bytes are no virtual host's")
      }
      var inner = WireFields(host)
      guard let first = try? inner.next(), first.number == 1, let name = first.payload, let text = name.baseAddress
      else {
        return hostStart - start
      }
      return text + name.count - start
    }
  }
}

extension Arena {
  fileprivate func virtualHost(_ host: VirtualHost) -> UnsafeMutablePointer<Envoy__Config__Route__V3__VirtualHost> {
    let message = make(envoy__config__route__v3__virtual_host__init)
    message.pointee.name = string(host.name)
    message.pointee.n_domains = host.domains.count
    message.pointee.domains = strings(host.domains)
    message.pointee.n_routes = host.routes.count
    message.pointee.routes = array(host.routes) { route($0) }
    return message
  }

  private func route(_ route: Route) -> UnsafeMutablePointer<Envoy__Config__Route__V3__Route>? {
    let message = make(envoy__config__route__v3__route__init)
    message.pointee.name = string(route.name)
    message.pointee.match = match(route.match)
    message.pointee.n_response_headers_to_add = route.responseHeaders.count
    message.pointee.response_headers_to_add = array(route.responseHeaders) { headerAddition($0) }
    switch route.action {
    case .forward(let forward):
      message.pointee.action_case = ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE
      message.pointee.route = routeAction(forward)
    case .respond(let status):
      let response = make(envoy__config__route__v3__direct_response_action__init)
      response.pointee.status = status
      message.pointee.action_case = ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_DIRECT_RESPONSE
      message.pointee.direct_response = response
    }
    return message
  }

  private func headerAddition(
    _ addition: HeaderAddition
  ) -> UnsafeMutablePointer<Envoy__Config__Core__V3__HeaderValueOption>? {
    let header = make(envoy__config__core__v3__header_value__init)
    header.pointee.key = string(addition.name)
    header.pointee.value = string(addition.value)
    let message = make(envoy__config__core__v3__header_value_option__init)
    message.pointee.header = header
    return message
  }
}
