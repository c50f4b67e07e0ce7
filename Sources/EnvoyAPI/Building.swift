internal import CWeirProtos
internal import ProtobufC

// The parts that several messages share. Everything here lives in the arena; see `Arena` for who owns what.

extension Arena {
  func duration(_ milliseconds: Milliseconds) -> UnsafeMutablePointer<Google__Protobuf__Duration> {
    let message = make(google__protobuf__duration__init)
    message.pointee.seconds = Int64(clamping: milliseconds.count / 1000)
    message.pointee.nanos = Int32(milliseconds.count % 1000) * 1_000_000
    return message
  }

  func wrapped(_ value: UInt32) -> UnsafeMutablePointer<Google__Protobuf__UInt32Value> {
    let message = make(google__protobuf__uint32_value__init)
    message.pointee.value = value
    return message
  }

  func wrapped(_ value: UInt64) -> UnsafeMutablePointer<Google__Protobuf__UInt64Value> {
    let message = make(google__protobuf__uint64_value__init)
    message.pointee.value = value
    return message
  }

  func wrapped(_ value: Bool) -> UnsafeMutablePointer<Google__Protobuf__BoolValue> {
    let message = make(google__protobuf__bool_value__init)
    message.pointee.value = value ? 1 : 0
    return message
  }

  /// An `Any` around a message, packed here and now.
  func any(_ typeURL: String, _ content: UnsafeRawPointer) -> UnsafeMutablePointer<Google__Protobuf__Any> {
    let bytes = Packing.packed(content, in: self)
    let message = make(google__protobuf__any__init)
    message.pointee.type_url = string(typeURL)
    message.pointee.value.len = bytes.count
    message.pointee.value.data = bytes.baseAddress
    return message
  }

  /// "From the stream that you have open": ADS, in the v3 API.
  func aggregatedConfigSource() -> UnsafeMutablePointer<Envoy__Config__Core__V3__ConfigSource> {
    let message = make(envoy__config__core__v3__config_source__init)
    message.pointee.config_source_specifier_case = ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_ADS
    message.pointee.ads = make(envoy__config__core__v3__aggregated_config_source__init)
    message.pointee.resource_api_version = ENVOY__CONFIG__CORE__V3__API_VERSION__V3
    return message
  }

  func socketAddress(_ address: String, port: UInt16) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Address> {
    let socket = make(envoy__config__core__v3__socket_address__init)
    socket.pointee.address = string(address)
    socket.pointee.port_specifier_case = ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE
    socket.pointee.port_value = UInt32(port)
    let message = make(envoy__config__core__v3__address__init)
    message.pointee.address_case = ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS
    message.pointee.socket_address = socket
    return message
  }

  /// An array of one, for a repeated field.
  func array<Element>(of element: Element) -> UnsafeMutablePointer<Element> {
    array(CollectionOfOne(element)) { $0 }
  }

  func strings(_ strings: [String]) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    array(strings) { string($0) }
  }
}

/// The type URLs of messages that Weir puts into other messages.
enum ExtensionTypeURL {
  static let httpProtocolOptions = prefix + httpProtocolOptionsName
  /// The key of a cluster's HTTP options in `typed_extension_protocol_options`.
  static let httpProtocolOptionsName = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
  static let previousHosts = prefix + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
  static let httpConnectionManager =
    prefix + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
  static let tcpProxy = prefix + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
  static let onDemand = prefix + "envoy.extensions.filters.http.on_demand.v3.OnDemand"
  static let router = prefix + "envoy.extensions.filters.http.router.v3.Router"
  private static let prefix = "type.googleapis.com/"
}
