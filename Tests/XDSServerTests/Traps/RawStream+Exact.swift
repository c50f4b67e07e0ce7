import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// All that a response says.
struct Content: Equatable, CustomStringConvertible {
  struct Item: Equatable {
    var name: String
    /// Delta only: the state of the world has a version for the whole response.
    var version: String
    var body: [UInt8]
  }

  var type: ResourceType?
  var items: [Item]
  var removed: [String]
  /// `version_info`; empty in delta, where it is for people only.
  var versionInfo: String
  var nonce: String

  var description: String {
    let items = items.map { item in
      "\(item.name)=\"\(String(decoding: item.body, as: UTF8.self))\""
        + (item.version.isEmpty ? "" : "@\(item.version)")
    }
    return "\(type.map(\.discoveryService) ?? "?") [\(items.joined(separator: ", "))] removed \(removed)"
      + " version_info \"\(versionInfo)\" nonce \(nonce)"
  }
}

extension RawStream {
  /// Takes the next response, which must tell exactly this.
  ///
  /// - Parameters:
  ///   - names: what is told. In the state of the world, a response of CDS and LDS tells all that is subscribed to instead.
  ///   - stubs: route tables, or assignments, that have a name and nothing else.
  ///   - removed: `removed_resources`; the state of the world has none.
  ///   - world: where the content is from.
  ///   - generation: the newest that the server had when it sent the response, if a newer one was published since.
  @discardableResult
  func expect(
    _ type: ResourceType, _ names: [String] = [], stubs: [String] = [], removed: [String] = [], of world: World,
    generation: UInt64? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> Received {
    let lastNonce = nonces[type]
    let received = try await next()
    let table = world.table(type)
    var wanted = names.map { name in
      table[name].map { Content.Item(name: name, version: $0.version, body: $0.flattened()) }
        ?? .init(name: name, version: "not in the test's world", body: [])
    }
    if variant == .stateOfTheWorld && type.isFullState {
      wanted = []
      table.tree.forEach { resource in
        guard isWildcard(type) || lists[type, default: []].contains(resource.name) else { return }
        wanted.append(.init(name: resource.name, version: resource.version, body: resource.flattened()))
      }
    }
    for name in stubs {
      let body =
        type == .route
        ? RouteConfiguration.encodedHeader(name: name) : ClusterLoadAssignment.encodedHeader(clusterName: name)
      wanted.append(.init(name: name, version: ContentHash(body).text, body: body))
    }
    wanted.sort { $0.name < $1.name }

    let actual = Content(received, variant)
    let isDelta = variant == .delta
    let single = wanted.count == 1 && !(type.isFullState && isWildcard(type)) ? wanted[0].version : nil
    let versionInfo =
      isDelta
      ? "" : type.isFullState && isWildcard(type) ? table.contentHash.text : single ?? actual.versionInfo
    if !isDelta { for index in wanted.indices { wanted[index].version = "" } }
    let content = Content(
      type: type, items: wanted, removed: isDelta ? removed.sorted() : [], versionInfo: versionInfo,
      nonce: nonce(after: lastNonce, generation ?? self.generation()))
    try #require(actual == content, sourceLocation: sourceLocation)
    #expect(!received.version.isEmpty, sourceLocation: sourceLocation)
    return received
  }

  /// Nothing of the type is there for these names, and the client has just asked: delta says so, for RDS a stub says so in
  /// both, and in the state of the world CDS and LDS say all else, and the answer of EDS is empty.
  func expectMissing(
    _ type: ResourceType, _ names: [String], of world: World, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    ack(
      try await expect(
        type, stubs: type == .route ? names : [], removed: type == .route ? [] : names, of: world,
        sourceLocation: sourceLocation))
  }

  private func isWildcard(_ type: ResourceType) -> Bool {
    let list = lists[type] ?? []
    return list.contains("*") || (list.isEmpty && type.isFullState && !named.contains(type))
  }

  /// The generation, and a count from the second response of a type on.
  private func nonce(after last: String?, _ generation: UInt64) -> String {
    let parts = last?.split(separator: ".") ?? []
    guard parts.first == "\(generation)" else { return "\(generation)" }
    return "\(generation).\((parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + 1)"
  }

  /// Makes sure that nothing was sent, and goes on: asks for a route table that is not there, which is answered at once
  /// with a stub, and accepts it. Aggregated streams without a response of RDS in flight only.
  func barrier(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    barriers += 1
    let name = "barrier-\(barriers)"
    subscribe(.route, [name])
    ack(try await expect(.route, stubs: [name], of: .empty, sourceLocation: sourceLocation))
  }

  /// Ends the stream in good order, and makes sure that nothing else was sent on it.
  func expectNothingMore(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    end()
    do {
      let received = try await next()
      Issue.record("sent although nothing was due: \(Content(received, variant))", sourceLocation: sourceLocation)
    } catch let closed as Closed {
      #expect(closed.status.code == .ok, sourceLocation: sourceLocation)
    }
  }

  // MARK: Requests that `change` does not make

  /// A request with all that it says given: in the state of the world `list` is the whole list.
  func request(
    _ type: ResourceType, list: [String]? = nil, subscribe: [String] = [], unsubscribe: [String] = [],
    nonce: String = "", version: String = "", holding: [String: String] = [:], error: String? = nil
  ) {
    let detail = error.map { ErrorDetail(code: 13, message: $0) }
    switch variant {
    case .delta:
      lists[type, default: []].removeAll { unsubscribe.contains($0) }
      lists[type, default: []] += subscribe
      var request = DeltaDiscoveryRequest()
      request.resourceNamesSubscribe = subscribe
      request.resourceNamesUnsubscribe = unsubscribe
      request.initialResourceVersions = holding
      request.responseNonce = nonce
      request.errorDetail = detail
      send(request, type)
    case .stateOfTheWorld:
      var names = lists[type] ?? []
      names.removeAll { unsubscribe.contains($0) }
      names += subscribe.filter { !names.contains($0) }
      lists[type] = list ?? names
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.versionInfo = version
      request.responseNonce = nonce
      request.errorDetail = detail
      send(request, type)
    }
  }

  func nack(_ received: Received, _ message: String) {
    guard let type = received.type else { return }
    request(type, nonce: received.nonce, error: message)
  }

  /// Takes a response of each type with all that the client asks for at its start, and accepts it: CDS, EDS, LDS, RDS as
  /// Envoy asks for them.
  func start(_ world: World, routes: [String] = [World.routeName]) async throws {
    var clusters: [String] = []
    world.clusters.tree.forEach { clusters.append($0.name) }
    var listeners: [String] = []
    world.listeners.tree.forEach { listeners.append($0.name) }
    subscribe(.cluster)
    let response = try await expect(.cluster, clusters, of: world)
    if !clusters.isEmpty {
      subscribe(.endpoint, clusters)
      let present = clusters.filter { world.endpoints[$0] != nil }
      let endpoints = try await expect(
        .endpoint, present, removed: clusters.filter { world.endpoints[$0] == nil }, of: world)
      ack(response)
      ack(endpoints)
    } else {
      ack(response)
    }
    subscribe(.listener)
    ack(try await expect(.listener, listeners, of: world))
    subscribe(.route, routes)
    ack(try await expect(.route, routes, of: world))
  }
}

extension Content {
  init(_ received: RawStream.Received, _ variant: XDSProtocol) {
    self.init(
      type: received.type,
      items: received.resources.map { resource in
        let body = resource.body ?? []
        let name = resource.name.isEmpty ? Self.name(in: body) : resource.name
        return Item(name: name, version: resource.version, body: body)
      }.sorted { $0.name < $1.name },
      removed: received.removed.sorted(), versionInfo: variant == .delta ? "" : received.version,
      nonce: received.nonce)
  }

  /// A body of the test's world is text, its second word the name; a stub is a message whose first field is the name.
  private static func name(in body: [UInt8]) -> String {
    if body.count >= 2, body[0] == 0x0a { return String(decoding: body[2...].prefix(Int(body[1])), as: UTF8.self) }
    let text = String(decoding: body, as: UTF8.self)
    return text.split(separator: " ").dropFirst().first.map { String($0.prefix { $0 != ";" }) } ?? ""
  }
}
