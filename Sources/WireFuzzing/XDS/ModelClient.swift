internal import EnvoyAPI
internal import GRPCTransport
internal import HTTP2Session
internal import NIOCore
internal import XDSSnapshot

/// A client of an `EmbeddedServer`: one connection with one aggregated stream, and a model of each type on it.
final class ModelClient: CustomStringConvertible {
  enum Nonce {
    case last, lastBefore, garbage
  }

  private let server: EmbeddedServer
  private let isDelta: Bool
  private let node: NodeIdentity
  private var types: [ModelStream]
  private var connection: EmbeddedServer.Connection?
  private var session: HTTP2Session
  private var stream: HTTP2StreamID?
  private var deframer = GRPCDeframer(maxMessageSize: .max)
  private var needsNode = true
  /// The stream began with claims of what is held.
  private var isReturning = false
  /// The client has refused something on this stream.
  private(set) var hasRefused = false
  private var lines: [String] = []

  init(_ server: EmbeddedServer, isDelta: Bool, cluster: String) throws {
    self.server = server
    self.isDelta = isDelta
    node = NodeIdentity(id: "client", cluster: cluster)
    types = ResourceType.allCases.map { ModelStream($0, isDelta: isDelta) }
    session = try HTTP2Session(role: .client)
  }

  var isOpen: Bool { stream != nil }
  var description: String { isDelta ? "delta client" : "state-of-the-world client" }
  /// The last things that happened.
  var log: String { lines.suffix(60).joined(separator: "\n") }

  func difference(_ type: ResourceType, _ content: [String: [UInt8]]) -> String? {
    types[type.rawValue].difference(content)
  }

  // MARK: Streams

  /// - Parameter inventing: what it says to hold beside, of each type, if it claims anything.
  func connect(claiming: Bool, inventing: [String] = []) throws {
    close()
    note("connect\(claiming ? " with claims" : "") \(inventing)")
    types = types.map { claiming ? $0.carriedOver() : ModelStream($0.type, isDelta: isDelta) }
    if claiming {
      for index in types.indices { for name in inventing { types[index].invent(name) } }
    }
    isReturning = claiming
    let connection = try server.connect()
    self.connection = connection
    session = try HTTP2Session(role: .client)
    try openStream()
  }

  private func openStream() throws {
    let path = isDelta ? EmbeddedServer.aggregatedDelta : EmbeddedServer.aggregatedStateOfTheWorld
    stream = try session.openStream(
      [
        HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", path),
        HTTP2Header(":authority", "weir"), HTTP2Header("content-type", "application/grpc"),
      ], endStream: false)
    deframer = GRPCDeframer(maxMessageSize: .max)
    needsNode = true
    hasRefused = false
    try exchange()
  }

  func close() {
    stream = nil
    connection?.close()
    connection = nil
  }

  /// The ways to lose a stream, and to come back.
  func reconnect(_ manner: Int, inventing: [String]) throws {
    switch manner {
    case 0: try connect(claiming: false)
    case 1, 2: try connect(claiming: true, inventing: inventing)
    default:
      // A second stream on the same connection, after a reset in the middle of whatever was under way.
      guard let stream, connection?.isOpen ?? false else { return try connect(claiming: false) }
      note("reset")
      session.reset(stream, .cancel)
      try exchange()
      types = types.map { ModelStream($0.type, isDelta: isDelta) }
      isReturning = false
      try openStream()
    }
  }

  // MARK: Requests

  func subscribe(_ type: ResourceType, adding: [String] = [], removing: [String] = []) throws {
    guard isOpen else { return }
    if isDelta {
      try send(type, adding: adding, removing: removing)
    } else {
      var wanted = types[type.rawValue].wanted.filter { !removing.contains($0) }
      wanted += adding
      types[type.rawValue].wanted = wanted
      // While a response waits for its answer, the client can only repeat the nonce of the one before.
      let mustWait = !types[type.rawValue].waiting.isEmpty
      try send(type, nonce: mustWait ? nonceBeforeLast(type) : types[type.rawValue].nonces.last ?? "")
    }
  }

  /// A request that says nothing new.
  func repeatRequest(_ type: ResourceType, nonce: Nonce) throws {
    guard isOpen, types[type.rawValue].isRequested else { return }
    // With the nonce of a response that waits this would be its answer.
    switch nonce {
    case .last:
      if types[type.rawValue].waiting.isEmpty { try send(type, nonce: types[type.rawValue].nonces.last ?? "") }
    case .lastBefore: try send(type, nonce: nonceBeforeLast(type))
    case .garbage: try send(type, nonce: "no such nonce")
    }
  }

  private func nonceBeforeLast(_ type: ResourceType) -> String { types[type.rawValue].nonces.dropLast().last ?? "none" }

  /// Answers the response that waits, if one does.
  func answer(_ type: ResourceType, accepting: Bool) throws {
    guard isOpen, let response = types[type.rawValue].takeWaiting() else { return }
    // Not after claims: a route may then wait for good for a cluster that was claimed and whose news is refused. And not a
    // stub, which nothing can make good: what the same table named when it was refused stays in use for good.
    let hasStub = response.bodies.isEmpty || response.bodies.values.contains { ServedWorld.name(ofBody: $0) == nil }
    let accepting = accepting || isReturning || hasStub
    if accepting { types[type.rawValue].accept(response) } else { hasRefused = true }
    try send(
      type, nonce: response.nonce, error: accepting ? nil : "Error adding/updating: \(response.bodies.keys.first ?? "")"
    )
  }

  /// Accepts whatever waits; false when nothing does.
  @discardableResult
  func acceptAll() throws -> Bool {
    var any = false
    for type in ResourceType.allCases where !types[type.rawValue].waiting.isEmpty {
      any = true
      try answer(type, accepting: true)
    }
    return any
  }

  /// Asks for everything, as a proxy does that works.
  func subscribeToAll(_ world: ServedWorld) throws {
    for type in ResourceType.allCases where ![.virtualHost, .loneEndpoint].contains(type) {
      let state = types[type.rawValue]
      if state.isFullState {
        if !state.isRequested && state.wanted.isEmpty {
          try subscribe(type)
        } else if !state.isWildcard || !isDelta {
          try subscribe(type, adding: state.wanted.isEmpty && state.isWildcard ? [] : ["*"])
        }
      } else {
        // Routes whether they are there or not: a proxy asks for those that its listeners name, and a server keeps the
        // clusters of one that comes back until it knows which routes it follows.
        let all = type == .endpoint ? world.names(.cluster) : ServedWorld.routeNames
        let names = all.filter { isDelta ? !state.names.contains($0) : true }
        if !names.isEmpty || !isDelta { try subscribe(type, adding: names) }
      }
      try acceptAll()
    }
  }

  /// Something that is no request for a type that is served.
  func disturb(_ manner: Int, _ bytes: ArraySlice<UInt8>) throws {
    guard let stream else { return }
    note("disturb \(manner) \(bytes)")
    switch manner {
    case 0:
      session.write(GRPCFraming.frame(Array(bytes)), on: stream)
    case 1:
      session.write(ByteBuffer(bytes: bytes), on: stream)
    case 2:
      var request = DiscoveryRequest()
      request.node = node
      request.typeURL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
      request.resourceNames = ["a"]
      session.write(GRPCFraming.frame(request.encoded()), on: stream)
      needsNode = false
    default:
      session.end(stream)
    }
    try exchange()
    // Part of a message, which nothing can follow.
    if manner == 1, isOpen { try connect(claiming: false) }
  }

  private func send(
    _ type: ResourceType, adding: [String] = [], removing: [String] = [], nonce: String = "", error: String? = nil
  ) throws {
    guard let stream else { return }
    note("→ \(type) +\(adding) -\(removing) \(types[type.rawValue].wanted) nonce \(nonce) \(error ?? "")")
    let state = types[type.rawValue]
    let detail = error.map { ErrorDetail(code: 13, message: $0) }
    let message: [UInt8]
    if isDelta {
      var request = DeltaDiscoveryRequest()
      request.node = needsNode ? node : nil
      request.typeURL = Self.url(type)
      request.resourceNamesSubscribe = adding
      request.resourceNamesUnsubscribe = removing
      request.responseNonce = nonce
      request.errorDetail = detail
      if !state.isRequested && isReturning { request.initialResourceVersions = state.heldVersions }
      message = request.encoded()
      types[type.rawValue].requestedDelta(adding: adding, removing: removing)
    } else {
      var request = DiscoveryRequest()
      request.node = needsNode ? node : nil
      request.typeURL = Self.url(type)
      request.resourceNames = state.wanted
      request.responseNonce = nonce
      request.versionInfo = state.acceptedVersion
      request.errorDetail = detail
      message = request.encoded()
      let isHeeded = !state.isRequested || nonce.isEmpty || nonce == state.nonces.last
      if isHeeded { types[type.rawValue].requestedStateOfTheWorld() }
    }
    needsNode = false
    session.write(GRPCFraming.frame(message), on: stream)
    try exchange()
  }

  // MARK: Bytes

  /// Moves bytes both ways until both ends are quiet.
  func exchange() throws {
    guard let connection else { return }
    var moved = true
    while moved {
      moved = false
      _ = try session.takeOutput(limit: .max) { buffer in
        moved = true
        connection.receive(buffer)
      }
      // A class of proxies that came is to be served.
      if server.world.classes.haveChanged() { server.publish() }
      for buffer in try connection.output() where buffer.readableBytes > 0 {
        moved = true
        try session.receive(buffer)
        try drainEvents()
      }
    }
    try require(connection.isOpen, "the server closed the connection\n\(log)")
  }

  private func drainEvents() throws {
    while let event = session.nextEvent() {
      switch event {
      case .data(let id, let bytes):
        session.consume(bytes.readableBytes, on: id)
        guard id == stream else { continue }
        deframer.append(bytes)
        while let message = try deframer.next() { try received(Array(message.readableBytesView)) }
      case .streamClosed(let id, let code, _):
        guard id == stream else { continue }
        note("closed: \(code)")
        stream = nil
      case .terminated(let code, let reason):
        throw FuzzFailure("the server sent what a client refuses: \(code) \(reason)")
      case .goAway(_, let code, _): throw FuzzFailure("GOAWAY with \(code)")
      default: break
      }
    }
  }

  private func received(_ message: [UInt8]) throws {
    var response: ModelResponse
    if isDelta {
      let delta = try DeltaDiscoveryResponse(decoding: message)
      response = ModelResponse(type: try Self.type(delta.typeURL), nonce: delta.nonce, version: "", bodies: [:])
      for resource in delta.resources {
        try require(response.bodies[resource.name] == nil, "\(resource.name) twice in a response")
        response.bodies[resource.name] = resource.body ?? []
        response.versions[resource.name] = resource.version
      }
      response.removed = delta.removedResources
      try require(Set(response.removed).count == response.removed.count, "a name removed twice in a response")
    } else {
      let whole = try DiscoveryResponse(decoding: message)
      response = ModelResponse(
        type: try Self.type(whole.typeURL), nonce: whole.nonce, version: whole.versionInfo, bodies: [:])
      for body in whole.resources {
        guard let name = ServedWorld.name(ofBody: body) else { continue }
        try require(response.bodies[name] == nil, "\(name) twice in a response")
        response.bodies[name] = body
      }
    }
    note("← \(response.type) +\(response.bodies.keys.sorted()) -\(response.removed) nonce \(response.nonce)")
    do {
      try types[response.type.rawValue].received(response)
    } catch let failure as FuzzFailure {
      throw FuzzFailure("\(self): \(failure)\n\(log)")
    }
  }

  private func note(_ line: String) {
    if lines.count > 400 { lines.removeFirst(200) }
    lines.append(line)
  }

  private static func url(_ type: ResourceType) -> String {
    switch type {
    case .cluster: TypeURL.cluster
    case .endpoint: TypeURL.endpoint
    case .listener: TypeURL.listener
    case .route: TypeURL.route
    case .virtualHost: TypeURL.virtualHost
    case .loneEndpoint: TypeURL.lbEndpoint
    }
  }

  private static func type(_ url: String) throws -> ResourceType {
    guard let type = ResourceType.allCases.first(where: { Self.url($0) == url }) else {
      throw FuzzFailure("a response of type \(url)")
    }
    return type
  }
}
