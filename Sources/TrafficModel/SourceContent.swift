/// What a source says of one of its origins (a file, or one object of an API server): all of it, each time.
public struct SourceUpdate: Sendable {
  /// A file's real path, or another name that is the same after a restart, however the source was told of it. The
  /// documents' locations name the file as people wrote it.
  public var origin: String
  public var content: Content

  public init(origin: String, content: Content) {
    self.origin = origin
    self.content = content
  }

  public enum Content: Sendable {
    /// The documents in order. If `isComplete` is false, some part could not be read (a malformed document, a vanished or
    /// oversized file): what is absent then is not a removal, and what was admitted before stays.
    case documents([SourceDocument], isComplete: Bool, problems: [Problem])
    /// The origin has gone, and its objects with it.
    case removed
  }
}

/// One document of an origin.
public struct SourceDocument: Sendable {
  public var location: SourceLocation
  /// Known also where the object itself is refused.
  public var key: ObjectKey
  /// Nil where the document has an error: its object stays at its last admitted version.
  public var object: TrafficObject?
  /// Errors and warnings of this document.
  public var problems: [Problem]
  /// The document as it was written, so that an admitted version can be kept across restarts.
  public var text: String
  /// Where a VirtualService's destinations were written, in the order of its routes and their destinations; empty where
  /// that is not known.
  public var destinationPlaces: [FieldPlace]

  public init(
    location: SourceLocation, key: ObjectKey, object: TrafficObject?, problems: [Problem] = [], text: String,
    destinationPlaces: [FieldPlace] = []
  ) {
    self.location = location
    self.key = key
    self.object = object
    self.problems = problems
    self.text = text
    self.destinationPlaces = destinationPlaces
  }

  /// A field as it was written.
  public struct FieldPlace: Sendable, Hashable {
    /// As in `spec.http[0].route[1].destination`.
    public var path: String
    /// Line of the file, from 1.
    public var line: Int

    public init(path: String, line: Int) {
      self.path = path
      self.line = line
    }
  }
}

/// A change of the admitted set, the compiler's input.
public enum Edit: Sendable {
  case upsert(TrafficObject)
  case delete(ObjectKey)
}
