/// The kinds of objects that Weir understands.
public enum ObjectKind: String, Sendable, Hashable, CaseIterable {
  case service = "Service"
  case endpointSlice = "EndpointSlice"
  case pod = "Pod"
  case node = "Node"
  case namespace = "Namespace"
  case destinationRule = "DestinationRule"
  case virtualService = "VirtualService"

  /// Nodes and namespaces belong to no namespace.
  public var isNamespaced: Bool { self != .node && self != .namespace }
}

/// A namespace and a name.
public struct NamespacedName: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// Empty for cluster-scoped objects.
  public var namespace: String
  public var name: String

  public init(namespace: String, name: String) {
    self.namespace = namespace
    self.name = name
  }

  public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

  public static func < (a: Self, b: Self) -> Bool {
    a.namespace != b.namespace ? a.namespace < b.namespace : a.name < b.name
  }
}

/// What identifies an object, whatever its content: kind, namespace, name.
public struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
  public var kind: ObjectKind
  public var id: NamespacedName

  public init(_ kind: ObjectKind, _ id: NamespacedName) {
    self.kind = kind
    self.id = id
  }

  public var description: String { "\(kind.rawValue) \(id)" }

  public static func < (a: Self, b: Self) -> Bool {
    a.kind != b.kind ? a.kind.rawValue < b.kind.rawValue : a.id < b.id
  }
}

/// A validated object: whatever can be said of it without looking at another object holds.
///
/// Indirect, because objects are handed on often, and so that costs one reference count whatever is in them.
public indirect enum TrafficObject: Sendable, Hashable {
  case service(KubernetesService)
  case endpointSlice(EndpointSlice)
  case pod(Pod)
  case node(KubernetesNode)
  case namespace(KubernetesNamespace)
  case destinationRule(DestinationRule)
  case virtualService(VirtualService)

  public var key: ObjectKey {
    switch self {
    case .service(let object): ObjectKey(.service, object.id)
    case .endpointSlice(let object): ObjectKey(.endpointSlice, object.id)
    case .pod(let object): ObjectKey(.pod, object.id)
    case .node(let object): ObjectKey(.node, NamespacedName(namespace: "", name: object.name))
    case .namespace(let object): ObjectKey(.namespace, NamespacedName(namespace: "", name: object.name))
    case .destinationRule(let object): ObjectKey(.destinationRule, object.id)
    case .virtualService(let object): ObjectKey(.virtualService, object.id)
    }
  }
}
