import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// A response as a test looks at it.
struct Sent: CustomStringConvertible {
  let response: ProxySession.Response
  var type: ResourceType { response.plan.type }
  var names: Set<String> { Set(response.plan.resources.map(\.name)) }
  var removed: Set<String> { Set(response.plan.removed) }
  var nonce: String { response.nonce.text }
  var version: String { response.plan.version }
  func text(_ name: String) -> String? {
    response.plan.resources.first { $0.name == name }.map { String(decoding: $0.flattened(), as: UTF8.self) }
  }
  var hosts: [String: [String]] {
    response.plan.resources.first { $0.name == World.routeName }.map(World.hosts) ?? [:]
  }
  var description: String { "\(type) +\(names.sorted()) -\(removed.sorted()) nonce \(nonce)" }
}

/// A stream driven by hand. Every event returns what the server sends because of it.
final class TestStream {
  var session: ProxySession
  let variant: XDSProtocol
  private var lists: [ResourceType: [String]] = [:]
  private var last: [ResourceType: Sent] = [:]
  /// The response before the last.
  private var before: [ResourceType: Sent] = [:]
  private var now = Duration.zero
  private var accepted: [ResourceType: String] = [:]

  init(
    _ variant: XDSProtocol, shared: SharedResponses = .forTests(), scope: ProxySession.Scope = .aggregated,
    proxyClass: ProxyClass = World.proxyClass, delivery: VirtualHostDelivery = .always
  ) {
    self.variant = variant
    session = ProxySession(
      variant: variant, scope: scope, proxyClass: proxyClass, shared: shared, delivery: delivery)
  }

  private func pumped() -> [Sent] { pump(at: now) }

  /// What is sent at a time. The time stays until it is set again.
  func pump(at now: Duration) -> [Sent] {
    self.now = now
    let sent = session.pump(at: now).map(Sent.init)
    for item in sent {
      before[item.type] = last[item.type]
      last[item.type] = item
    }
    return sent
  }

  func publish(_ world: inout World) -> [Sent] {
    session.published(world.generation())
    return pumped()
  }

  /// The first request of a type, or one that adds names.
  @discardableResult
  func subscribe(
    _ type: ResourceType, _ names: [String] = [], holding versions: [String: String] = [:], version: String = ""
  ) -> [Sent] {
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.resourceNamesSubscribe = names
      request.initialResourceVersions = versions
      _ = session.received(request, for: type)
    case .stateOfTheWorld:
      lists[type, default: []] += names.filter { !(lists[type] ?? []).contains($0) }
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.responseNonce = last[type]?.nonce ?? ""
      request.versionInfo = version
      _ = session.received(request, for: type)
    }
    return pumped()
  }

  func unsubscribe(_ type: ResourceType, _ names: [String]) -> [Sent] {
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.resourceNamesUnsubscribe = names
      _ = session.received(request, for: type)
    case .stateOfTheWorld:
      lists[type]?.removeAll { names.contains($0) }
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.responseNonce = last[type]?.nonce ?? ""
      _ = session.received(request, for: type)
    }
    return pumped()
  }

  /// Accepts the last response of a type, or answers it with an error, or another nonce.
  func answer(_ type: ResourceType, error: String? = nil, nonce: String? = nil) -> (ProxySession.Receipt, [Sent]) {
    let detail = error.map { ErrorDetail(code: 13, message: $0) }
    let receipt: ProxySession.Receipt
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.responseNonce = nonce ?? last[type]?.nonce ?? ""
      request.errorDetail = detail
      receipt = session.received(request, for: type)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.responseNonce = nonce ?? last[type]?.nonce ?? ""
      request.errorDetail = detail
      if error == nil { accepted[type] = last[type]?.version }
      request.versionInfo = accepted[type] ?? ""
      receipt = session.received(request, for: type)
    }
    return (receipt, pumped())
  }

  func ack(_ type: ResourceType) -> [Sent] { answer(type).1 }
  /// Accepts the response before the last.
  func ackBefore(_ type: ResourceType) -> [Sent] { answer(type, nonce: before[type]?.nonce).1 }
  func nackBefore(_ type: ResourceType, _ message: String) -> [Sent] {
    answer(type, error: message, nonce: before[type]?.nonce).1
  }
  func nack(_ type: ResourceType, _ message: String = "no") -> [Sent] { answer(type, error: message).1 }

  /// Everything subscribed as Envoy does it, and accepted.
  static func synced(
    _ variant: XDSProtocol, _ world: inout World, shared: SharedResponses = .forTests()
  ) -> TestStream {
    let stream = TestStream(variant, shared: shared)
    _ = stream.publish(&world)
    stream.subscribe(.cluster)
    var names: [String] = []
    world.clusters.tree.forEach { names.append($0.name) }
    stream.subscribe(.endpoint, names)
    _ = stream.ack(.cluster)
    _ = stream.ack(.endpoint)
    stream.subscribe(.listener)
    _ = stream.ack(.listener)
    stream.subscribe(.route, [World.routeName])
    _ = stream.ack(.route)
    for type in ResourceType.general {
      #expect(stream.session[type].inFlight == nil)
      #expect(stream.session.converged(type) == world.number)
    }
    return stream
  }
}

extension [Sent] {
  var types: [ResourceType] { map(\.type) }
  subscript(type: ResourceType) -> Sent? { first { $0.type == type } }
}
