import EnvoyAPI
import ProtobufC
import XDSSnapshot
import XDSServer

/// One proxy as an ADS server sees it: a pure state machine, messages in, requests out. It asks in the order of an Envoy
/// (clusters; then endpoints before the ACK of their clusters; listeners; the routes that these name) and accepts
/// everything.
///
/// Its memory does not grow with the table: lists are shared, and only what has changed since its first sync is its own.
struct SimulatedProxy {
  /// One message, without gRPC's prefix.
  typealias Request = [UInt8]

  let variant: XDSProtocol
  let node: NodeIdentity
  /// Whether it keeps versions, to claim them when it comes back (delta).
  let keepsVersions: Bool
  /// Which of its claims comes first.
  private let firstClaim: Int
  /// Whether it looks for LEDS in assignments, which takes time: no server has a reason to name it to what is no Envoy.
  private let takesCollections: Bool
  private var types: [TypeState] = Array(repeating: TypeState(), count: ProxyResource.allCases.count)
  private var isFirstRequest = true

  /// What came: messages, their resources and bytes.
  private(set) var messages = 0
  private(set) var resources = 0
  private(set) var bytes = 0
  /// Resources that came in the version that it held already; known only if it keeps versions.
  private(set) var unchanged = 0

  private struct TypeState {
    var isRequested = false
    var isAnswered = false
    /// What it asked for by name at once; nil for a wildcard, and before it asked.
    var names: NameList?
    /// What it has asked for since, one by one (delta).
    var moreNames: Set<String> = []
    var version = ""
    var nonce = ""
    /// Resources that came, and names that are said not to exist, until all have.
    var received = 0
    /// What the first response brought, and what has changed since; nil is removed.
    var held: VersionList?
    var changed: [String: String?] = [:]
  }

  init(variant: XDSProtocol, node: NodeIdentity, keepsVersions: Bool, firstClaim: Int = 0) {
    self.firstClaim = firstClaim
    takesCollections = variant == .delta && node.userAgentName == "envoy"
    self.variant = variant
    self.node = node
    self.keepsVersions = keepsVersions && variant == .delta
  }

  /// Everything that it has asked for has come once.
  var isSynced: Bool {
    self[.cluster].isAnswered && self[.listener].isAnswered
      && [.endpoint, .route, .localityEndpoint].allSatisfy { self[$0].received >= self[$0].names?.names.count ?? 0 }
      && (!self[.virtualHost].isRequested || self[.virtualHost].isAnswered)
  }

  /// The requests that open a stream. A proxy that has been connected before asks for all of it at once, and claims it: a
  /// server may keep silent about what is unchanged.
  mutating func connect() -> [Request] {
    isFirstRequest = true
    let wereHostsAsked = self[.virtualHost].isRequested
    for type in ProxyResource.allCases {
      self[type].isRequested = false
      self[type].nonce = ""
    }
    guard self[.cluster].isAnswered else { return [subscription(.cluster)] }
    return ProxyResource.allCases
      .filter { $0 == .cluster || $0 == .listener || $0 == .virtualHost && wereHostsAsked || self[$0].names != nil }
      .map { subscription($0) }
  }

  /// Takes a response; gives back the requests that it causes.
  ///
  /// - Throws: for bytes that are no response.
  mutating func received(_ message: UnsafeRawBufferPointer, _ pool: ListPool) throws -> [Request] {
    let response = try ScannedResponse(message, variant)
    messages += 1
    bytes += message.count
    resources += response.resources.count
    guard let type = response.type else { return [] }
    self[type].isAnswered = true
    self[type].received += response.resources.count + response.removed.count
    self[type].version = response.version
    self[type].nonce = response.nonce
    if keepsVersions { note(response, type, pool) }
    var requests: [Request] = []
    switch type {
    case .cluster: requests = ask(for: try response.assignmentNames(), without: response.removed, .endpoint, pool)
    case .listener: requests = ask(for: try response.routeNames(), without: [], .route, pool)
    case .endpoint where takesCollections:
      requests = ask(for: try response.collectionNames(), without: [], .localityEndpoint, pool)
    case .route where variant == .delta && !self[.virtualHost].isRequested:
      if try response.namesVirtualHosts() { requests = [subscription(.virtualHost)] }
    case .endpoint, .route, .virtualHost, .localityEndpoint: break
    }
    requests.append(acknowledgement(of: response, type))
    if type == .cluster, !self[.listener].isRequested { requests.append(subscription(.listener)) }
    return requests
  }

  /// Subscribes to what a response names and the proxy does not have yet.
  private mutating func ask(
    for names: [UnsafeRawBufferPointer], without removed: [String], _ type: ProxyResource, _ pool: ListPool
  ) -> [Request] {
    guard variant == .delta, self[type].names != nil else {
      let list = pool.names(names)
      guard list !== self[type].names, !list.names.isEmpty || self[type].names != nil else { return [] }
      self[type].names = list
      return [subscription(type)]
    }
    let new = names.map { String(utf8: $0) }.filter { !isSubscribed($0, type) }
    // A cluster takes its assignment with it. The shared list keeps the name: it only tells what need not be asked for.
    let gone = type == .endpoint ? removed.filter { self[type].moreNames.contains($0) } : []
    guard !new.isEmpty || !gone.isEmpty else { return [] }
    self[type].moreNames.formUnion(new)
    self[type].moreNames.subtract(gone)
    var request = DeltaDiscoveryRequest()
    request.typeURL = type.typeURL
    request.resourceNamesSubscribe = new
    request.resourceNamesUnsubscribe = gone
    return [request.encoded()]
  }

  private func isSubscribed(_ name: String, _ type: ProxyResource) -> Bool {
    self[type].moreNames.contains(name) || self[type].names?.names.contains(name) ?? false
  }

  private mutating func note(_ response: ScannedResponse, _ type: ProxyResource, _ pool: ListPool) {
    if self[type].held == nil {
      self[type].held = pool.versions(response.resources)
    } else {
      for resource in response.resources {
        let (name, version) = (String(utf8: resource.name), String(utf8: resource.version))
        if (self[type].changed[name] ?? self[type].held?.versions[name]) == version { unchanged += 1 }
        self[type].changed[name] = version
      }
    }
    for name in response.removed { self[type].changed[name] = .some(nil) }
  }

  // MARK: Requests

  /// A type's first request on this stream, or (in the state of the world) a new list of names.
  private mutating func subscription(_ type: ProxyResource) -> Request {
    defer {
      self[type].isRequested = true
      isFirstRequest = false
    }
    // A message is the concatenation of its fields, so what is shared needs no encoding of its own.
    let names = self[type].names?.encoded ?? []
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.node = isFirstRequest ? node : nil
      request.typeURL = type.typeURL
      request.resourceNamesSubscribe = self[type].moreNames.sorted()
      return request.encoded() + names + claims(type)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.node = isFirstRequest ? node : nil
      request.typeURL = type.typeURL
      request.versionInfo = self[type].version
      request.responseNonce = self[type].nonce
      return request.encoded() + names
    }
  }

  private func claims(_ type: ProxyResource) -> [UInt8] {
    guard type.isClaimed, let held = self[type].held else { return [] }
    let changed = self[type].changed
    var bytes: [UInt8] = []
    held.append(without: changed.keys, startingAt: firstClaim, to: &bytes)
    for case (let name, let version?) in changed { VersionList.append(name, version, to: &bytes) }
    return bytes
  }

  private func acknowledgement(of response: ScannedResponse, _ type: ProxyResource) -> Request {
    var request: [UInt8] = []
    switch variant {
    case .delta:
      WireFormat.appendField(2, type.typeURL, to: &request)
      WireFormat.appendField(6, response.nonce, to: &request)
    case .stateOfTheWorld:
      let names = self[type].names?.encoded ?? []
      request.reserveCapacity(names.count + 160)
      WireFormat.appendField(1, response.version, to: &request)
      WireFormat.appendField(4, type.typeURL, to: &request)
      WireFormat.appendField(5, response.nonce, to: &request)
      request += names
    }
    return request
  }

  private subscript(_ type: ProxyResource) -> TypeState {
    get { types[type.rawValue] }
    _modify { yield &types[type.rawValue] }
  }
}
