public import IncrementalGraph
public import TrafficModel
public import XDSSnapshot

/// Why what is served became another: the edits that came in, the steps that they caused, and what the steps changed.
public struct CompiledChange: Sendable {
  /// The generation that it led to; the one before if nothing changed on the wire.
  public var generation: UInt64
  /// In the order in which they happened.
  public var steps: [Step]
  /// What is served otherwise now.
  public var parts: [Part]
  /// Steps that were not recorded, because there were too many.
  public var omittedSteps: Int

  public struct Step: Sendable, Hashable {
    public var kind: EventLog.Kind
    /// The collection and the key, as in `assignments[outbound|80||reviews.shop.svc.cluster.local]`.
    public var unit: String
    /// Whether anything came out other than before; if not, nothing that depends on it had to run.
    public var changed: Bool
    /// The step that made this one happen; nil for an edit.
    public var cause: Int?
    /// What was edited.
    public var object: ObjectKey?
  }

  public struct Part: Sendable, Hashable {
    public var type: ResourceType
    /// Of the resource; of a route configuration, the virtual host.
    public var name: String
    /// The step that made it; nil if that was not recorded.
    public var step: Int?
  }

  init(generation: UInt64, log: EventLog, parts: [Part]) {
    self.generation = generation
    self.parts = parts
    omittedSteps = log.omitted
    steps = log.events.map { event in
      Step(
        kind: event.kind, unit: "\(event.collection)[\(event.key)]", changed: event.changed, cause: event.cause,
        object: event.kind == .edited ? Self.object(event.collection, event.key) : nil)
    }
  }

  /// From a part down to the edit; empty if that was not recorded.
  public func chain(of part: Part) -> [Step] {
    var chain: [Step] = []
    var next = part.step
    while let step = next {
      chain.append(steps[step])
      next = steps[step].cause
    }
    return chain
  }

  private static func object(_ input: String, _ key: String) -> ObjectKey? {
    let kinds: [String: ObjectKind] = [
      "services": .service, "slices": .endpointSlice, "pods": .pod, "nodes": .node,
      "destinationRules": .destinationRule, "virtualServices": .virtualService,
    ]
    guard let kind = kinds[input] else { return nil }
    let slash = kind.isNamespaced ? key.firstIndex(of: "/") : nil
    let namespace = slash.map { String(key[..<$0]) } ?? ""
    return ObjectKey(
      kind, NamespacedName(namespace: namespace, name: slash.map { String(key[key.index(after: $0)...]) } ?? key))
  }
}
