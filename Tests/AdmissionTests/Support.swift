import Admission
import TrafficModel

/// Short ways to say what files hold.
enum Make {
  static func id(_ name: String) -> NamespacedName { NamespacedName(namespace: "shop", name: name) }

  static func service(_ name: String, ports: [UInt16] = [80]) -> TrafficObject {
    .service(
      KubernetesService(
        id: id(name), ports: ports.map { ServicePort(name: "p\($0)", port: $0, applicationProtocol: .http) }))
  }

  static func rule(_ name: String, host: String? = nil, _ subsets: [String]) -> TrafficObject {
    .destinationRule(
      DestinationRule(
        id: id(name), host: host ?? name, subsets: subsets.map { .init(name: $0, labels: ["version": $0]) }))
  }

  /// Destinations as `host`, `host|subset` or `host|subset|port`.
  static func route(_ name: String, _ destinations: [String], timeout: UInt64? = nil) -> TrafficObject {
    let parsed = destinations.map { text in
      let parts = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      return RouteDestination(
        host: parts[0], subset: parts.count > 1 && !parts[1].isEmpty ? parts[1] : nil,
        port: parts.count > 2 ? UInt16(parts[2]) : nil)
    }
    return .virtualService(
      VirtualService(
        id: id(name), hosts: [name], http: [HTTPRoute(destinations: parsed, timeoutMilliseconds: timeout)]))
  }

  static func slice(
    _ name: String, of service: String? = nil, _ address: String, pods: [String] = []
  ) -> TrafficObject {
    let endpoints: [EndpointSlice.Endpoint] =
      pods.isEmpty ? [.init(addresses: [address])] : pods.map { .init(addresses: [address], pod: id($0)) }
    return .endpointSlice(
      EndpointSlice(
        id: id(name), service: service ?? name, ports: [.init(name: "p80", port: 8080)], endpoints: endpoints))
  }

  static func pod(_ name: String, version: String = "v1") -> TrafficObject {
    .pod(Pod(id: id(name), labels: ["version": version]))
  }

  static func document(_ object: TrafficObject, file: String, position: Int = 0, text: String? = nil) -> SourceDocument
  {
    SourceDocument(
      location: SourceLocation(file: file, position: position, line: position * 10 + 1), key: object.key,
      object: object,
      text: text ?? "\(object)")
  }

  static func refused(_ key: ObjectKey, file: String, position: Int = 0) -> SourceDocument {
    let location = SourceLocation(file: file, position: position, line: position * 10 + 1)
    return SourceDocument(
      location: location, key: key, object: nil, problems: [Problem(.error, at: location, object: key, "is bad")],
      text: "bad")
  }

  static func file(_ name: String, _ objects: [TrafficObject], isComplete: Bool = true) -> SourceUpdate {
    SourceUpdate(
      origin: name,
      content: .documents(
        objects.enumerated().map { document($1, file: name, position: $0) }, isComplete: isComplete,
        problems: isComplete ? [] : [Problem(.error, at: SourceLocation(file: name), "is broken")]))
  }

  static func file(_ name: String, documents: [SourceDocument], isComplete: Bool = true) -> SourceUpdate {
    SourceUpdate(origin: name, content: .documents(documents, isComplete: isComplete, problems: []))
  }

  static func gone(_ name: String) -> SourceUpdate { SourceUpdate(origin: name, content: .removed) }
}

extension AdmissionGate {
  /// One object in each file named after it.
  @discardableResult
  mutating func put(_ objects: TrafficObject...) -> [String] {
    apply(objects.map { Make.file("\($0.key)", [$0]) }).edits.map(\.summary)
  }

  @discardableResult
  mutating func drop(_ objects: TrafficObject...) -> [String] {
    apply(objects.map { Make.gone("\($0.key)") }).edits.map(\.summary)
  }

  var set: Set<TrafficObject> { Set(admittedObjects.map(\.object)) }
  var problemTexts: [String] { problems.map(\.description) }
}

extension Edit {
  var summary: String {
    switch self {
    case .upsert(let object): "+\(object.key.kind.rawValue) \(object.key.id.name)"
    case .delete(let key): "-\(key.kind.rawValue) \(key.id.name)"
    }
  }
}
