/// Where something was written.
public struct SourceLocation: Sendable, Hashable, Comparable {
  /// A file's path, or another name of a source.
  public var file: String
  /// The document's position in the file, from 0.
  public var position: Int
  /// From 1; 0 where no line is known.
  public var line: Int

  public init(file: String, position: Int = 0, line: Int = 0) {
    self.file = file
    self.position = position
    self.line = line
  }

  public static func < (a: Self, b: Self) -> Bool {
    (a.file, a.position, a.line) < (b.file, b.position, b.line)
  }
}

/// Something wrong with the input. Bad configuration is data: it is listed, counted and shown, never thrown.
public struct Problem: Sendable, Hashable {
  public enum Severity: String, Sendable, Hashable {
    /// The object (or file) is refused: what was admitted before goes on being served.
    case error
    /// The object is served, without the part that is named.
    case warning
  }

  public var severity: Severity
  public var location: SourceLocation?
  public var object: ObjectKey?
  /// The field's path, as in `spec.http[0].route[1].weight`; empty if it concerns the whole object.
  public var field: String
  public var message: String

  public init(
    _ severity: Severity, at location: SourceLocation?, object: ObjectKey? = nil, field: String = "", _ message: String
  ) {
    self.severity = severity
    self.location = location
    self.object = object
    self.field = field
    self.message = message
  }
}

extension Problem: CustomStringConvertible {
  /// `shop/reviews.yaml:12: error: VirtualService shop/reviews: spec.http[0].route[0].weight: must not be negative`
  public var description: String {
    var text = ""
    if let location { text += location.line > 0 ? "\(location.file):\(location.line): " : "\(location.file): " }
    text += "\(severity.rawValue): "
    if let object { text += "\(object): " }
    if !field.isEmpty { text += "\(field): " }
    return text + message
  }
}

extension Problem {
  /// The order in which problems are shown, wherever that is: by file, line and place; what belongs to no file comes last.
  /// Of one place, errors come first.
  public static func precedes(_ a: Problem, _ b: Problem) -> Bool {
    if a.location != b.location {
      guard let first = a.location, let second = b.location else { return b.location == nil }
      return (first.file, first.line, first.position) < (second.file, second.line, second.position)
    }
    if a.severity != b.severity { return a.severity == .error }
    if a.object != b.object {
      guard let first = a.object, let second = b.object else { return a.object == nil }
      return first < second
    }
    return (a.field, a.message) < (b.field, b.message)
  }
}
