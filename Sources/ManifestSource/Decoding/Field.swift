internal import TrafficModel

/// What is found wrong with one document while it is read.
final class DocumentProblems {
  let location: SourceLocation
  var object: ObjectKey?
  private(set) var problems: [Problem] = []
  private(set) var hasErrors = false
  /// Of a VirtualService, in the order of the routes that are served.
  var destinationPlaces: [SourceDocument.FieldPlace] = []

  /// One document may not fill the memory, or a page, with its problems.
  static let limit = 100

  init(location: SourceLocation, object: ObjectKey? = nil) {
    self.location = location
    self.object = object
  }

  func report(_ severity: Problem.Severity, line: Int, field: String, _ message: String) {
    if severity == .error { hasErrors = true }
    guard problems.count <= Self.limit else { return }
    var location = location
    location.line = line
    if problems.count == Self.limit {
      problems.append(Problem(severity, at: location, object: object, "has more problems, which are not listed"))
    } else {
      problems.append(Problem(severity, at: location, object: object, field: field, message))
    }
  }
}

/// A place in a document: the value there (if any), its path and line, and typed ways to read it. Whatever is wrong is
/// reported where it is, and reading goes on, so that one look at a document finds all of its problems.
struct Field {
  /// A path, kept as links because hardly one in a thousand is ever written out.
  private indirect enum Path {
    case root
    case key(String, of: Path)
    case index(Int, of: Path)
  }

  let document: DocumentProblems
  /// Nil where the document says nothing, or `null`.
  let node: ManifestNode?
  private let pathLinks: Path
  let line: Int

  init(document: DocumentProblems, root: ManifestNode) {
    self.init(document: document, node: root, path: .root, line: root.line)
  }

  private init(document: DocumentProblems, node: ManifestNode?, path: Path, line: Int) {
    self.document = document
    if case .null = node?.value { self.node = nil } else { self.node = node }
    pathLinks = path
    self.line = line
  }

  /// As in `spec.http[0].route[1].weight`.
  var path: String {
    var parts: [String] = []
    var link = pathLinks
    while true {
      switch link {
      case .root: return parts.reversed().joined()
      case .key(let key, let parent):
        if key.isEmpty || key.contains(where: { $0 == "." || $0 == "/" || $0 == "[" || $0.isWhitespace }) {
          parts.append("[\"\(key)\"]")
        } else if case .root = parent {
          parts.append(key)
        } else {
          parts.append(".\(key)")
        }
        link = parent
      case .index(let index, let parent):
        parts.append("[\(index)]")
        link = parent
      }
    }
  }

  var isPresent: Bool { node != nil }

  func error(_ message: String) { document.report(.error, line: line, field: path, message) }
  func warning(_ message: String) { document.report(.warning, line: line, field: path, message) }

  /// A part that Weir does not know, named and without effect.
  func unsupported(_ detail: String = "") {
    warning("is not supported and has no effect" + (detail.isEmpty ? "" : ": \(detail)"))
  }

  // MARK: Structure

  subscript(key: String) -> Field {
    let entry: ManifestNode.Entry? =
      if case .map(let entries) = node?.value { entries.first { $0.key == key } } else { nil }
    return Field(
      document: document, node: entry?.value, path: .key(key, of: pathLinks), line: entry?.value.line ?? line)
  }

  /// The entries of a mapping; what is no mapping is an error and has none.
  var entries: [(key: String, field: Field)] {
    guard let node else { return [] }
    guard case .map(let entries) = node.value else {
      mismatch("a mapping")
      return []
    }
    return entries.map { entry in
      let child = Field(
        document: document, node: entry.value, path: .key(entry.key, of: pathLinks), line: entry.keyLine)
      return (entry.key, child)
    }
  }

  /// Requires a mapping, and warns of every key that is neither read here nor known to be without effect on traffic.
  @discardableResult
  func expectMapping(reads known: [String], ignores harmless: [String] = []) -> Bool {
    guard let node else { return false }
    guard case .map(let entries) = node.value else {
      mismatch("a mapping")
      return false
    }
    for entry in entries where !known.contains(entry.key) && !harmless.contains(entry.key) {
      Field(document: document, node: entry.value, path: .key(entry.key, of: pathLinks), line: entry.keyLine)
        .unsupported()
    }
    return true
  }

  /// The items of a list; what is no list is an error and has none.
  var items: [Field] {
    guard let node else { return [] }
    guard case .list(let list) = node.value else {
      mismatch("a list")
      return []
    }
    return list.enumerated().map { index, item in
      Field(document: document, node: item, path: .index(index, of: pathLinks), line: item.line)
    }
  }

  // MARK: Scalars

  func mismatch(_ expected: String) {
    guard let node else { return error("is required") }
    var message = "must be \(expected), not \(node.typeName)"
    if expected == "a string" {
      switch node.value {
      case .integer(let value): message += "; write \"\(value)\""
      case .number(let value): message += "; write \"\(value)\""
      case .bool: message += "; put it in quotes"
      default: break
      }
    }
    error(message)
  }

  /// Nil if absent, or if it is no string (an error).
  func string() -> String? {
    guard let node else { return nil }
    guard case .string(let value) = node.value else {
      mismatch("a string")
      return nil
    }
    return value
  }

  /// A string that must be there and not be empty.
  func requiredString() -> String? {
    guard isPresent else {
      error("is required")
      return nil
    }
    guard let value = string() else { return nil }
    if value.isEmpty {
      error("must not be empty")
      return nil
    }
    return value
  }

  func bool() -> Bool? {
    guard let node else { return nil }
    guard case .bool(let value) = node.value else {
      mismatch("a boolean")
      return nil
    }
    return value
  }

  /// A whole number within a range.
  func integer(in range: ClosedRange<Int64>) -> Int64? {
    guard let node else { return nil }
    switch node.value {
    case .integer(let value):
      if range.contains(value) { return value }
      if value < 0, range.lowerBound == 0 {
        error("must not be negative")
      } else {
        error("must be between \(range.lowerBound) and \(range.upperBound), not \(value)")
      }
    case .number(let text):
      error("must be a whole number between \(range.lowerBound) and \(range.upperBound), not \(text)")
    default: mismatch("a number")
    }
    return nil
  }

  func port() -> UInt16? { integer(in: 1...65_535).map(UInt16.init) }

  /// A mapping of strings to strings.
  func strings() -> [String: String] {
    var result: [String: String] = [:]
    for (key, field) in entries {
      if field.isPresent {
        if let value = field.string() { result[key] = value }
      } else {
        result[key] = ""
      }
    }
    return result
  }

  /// A duration as Go writes it, in whole milliseconds.
  func milliseconds() -> UInt64? {
    guard let text = string() else { return nil }
    switch GoDuration.milliseconds(text) {
    case .success(let value): return value
    case .failure(let problem):
      error(problem.message)
      return nil
    }
  }

  /// One of some words.
  func word<Value>(_ choices: KeyValuePairs<String, Value>) -> Value? {
    guard let text = string() else { return nil }
    if let choice = choices.first(where: { $0.key == text }) { return choice.value }
    error("must be one of \(choices.map(\.key).sorted().joined(separator: ", ")), not \"\(text)\"")
    return nil
  }
}
