/// An object that passed the gate, and where it came from: the unit of the admitted set and of what is kept across restarts.
public struct AdmittedObject: Sendable, Hashable {
  public var object: TrafficObject
  /// Where it was written when it was admitted: the name of its origin, and the place in it.
  public var location: SourceLocation
  /// The document as it was written; decoding it again gives the object.
  public var text: String

  public init(object: TrafficObject, location: SourceLocation, text: String) {
    self.object = object
    self.location = location
    self.text = text
  }

  public var key: ObjectKey { object.key }
}
