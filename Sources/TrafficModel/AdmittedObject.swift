/// An object that passed the gate, and where it came from: the unit of the admitted set and of what is kept across restarts.
public struct AdmittedObject: Sendable, Hashable {
  public var object: TrafficObject
  /// Where it was written when it was admitted: the name of its origin, and the place in it.
  public var location: SourceLocation
  /// The document as it was written; decoding it again gives the object.
  public var text: String
  /// The other origins with a document of this object, in their order. They keep the object when its own origin no longer
  /// has it: with a newer document that was refused or waits, and also when they cannot be read any longer.
  public var otherOrigins: [String]

  public init(object: TrafficObject, location: SourceLocation, text: String, otherOrigins: [String] = []) {
    self.object = object
    self.location = location
    self.text = text
    self.otherOrigins = otherOrigins
  }

  public var key: ObjectKey { object.key }
}
