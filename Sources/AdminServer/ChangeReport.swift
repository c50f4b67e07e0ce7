public import Foundation

/// One change as the admin API shows it: which edits came in, what ran because of them, and what is served otherwise since.
public struct ChangeReport: Codable, Sendable, Hashable {
  public var at: Date
  /// The generation that it led to; the one before if nothing changed on the wire.
  public var generation: UInt64
  /// In the order in which they happened.
  public var steps: [Step]
  public var changed: [Changed]
  /// Steps that were not recorded, because there were too many.
  public var omittedSteps: Int

  public struct Step: Codable, Sendable, Hashable {
    public enum Kind: String, Codable, Sendable, Hashable { case edited, ran, removed, regrouped }
    public var kind: Kind
    /// The collection of the compiler, and the key in it.
    public var unit: String
    /// Whether anything came out other than before; if not, it ended there.
    public var changed: Bool
    /// The position of the step that made this one happen; absent for an edit.
    public var because: Int?
    /// What was edited, as in `Service shop/reviews`.
    public var object: String?
    /// Where it is written, as in `shop/reviews.yaml:12`; absent for what has been deleted.
    public var place: String?

    public init(kind: Kind, unit: String, changed: Bool, because: Int?, object: String?, place: String?) {
      self.kind = kind
      self.unit = unit
      self.changed = changed
      self.because = because
      self.object = object
      self.place = place
    }
  }

  public struct Changed: Codable, Sendable, Hashable {
    public var type: ResourceKind
    /// Of the resource; of a route configuration, the virtual host.
    public var name: String
    /// The position of the step that made it.
    public var step: Int?

    public init(type: ResourceKind, name: String, step: Int?) {
      self.type = type
      self.name = name
      self.step = step
    }
  }

  public init(at: Date, generation: UInt64, steps: [Step], changed: [Changed], omittedSteps: Int) {
    self.at = at
    self.generation = generation
    self.steps = steps
    self.changed = changed
    self.omittedSteps = omittedSteps
  }

  /// From what changed down to the edit; empty if that was not recorded.
  public func chain(of changed: Changed) -> [Step] {
    var chain: [Step] = []
    var next = changed.step
    // A step's cause came before it, so this ends, whatever a server sends.
    while let position = next, steps.indices.contains(position) {
      chain.append(steps[position])
      next = steps[position].because.flatMap { $0 < position ? $0 : nil }
    }
    return chain
  }
}

/// The answer of `GET /v1/changes`.
public struct ChangeList: Codable, Sendable, Hashable {
  /// How many changes are kept; 0 where none is recorded.
  public var kept: Int
  /// The newest first.
  public var changes: [ChangeReport]

  public init(kept: Int, changes: [ChangeReport]) {
    self.kept = kept
    self.changes = changes
  }
}
