internal import Yams

/// A document's tree as Kubernetes reads it: aliases and merge keys resolved, plain scalars typed, every node with its line.
struct ManifestNode {
  enum Value {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A number that is not a whole number of 64 bits.
    case number(String)
    case string(String)
    case list([ManifestNode])
    case map([Entry])
  }

  struct Entry {
    var key: String
    var keyLine: Int
    var value: ManifestNode
  }

  var value: Value
  /// Line of the file, from 1.
  var line: Int

  subscript(key: String) -> ManifestNode? {
    guard case .map(let entries) = value else { return nil }
    return entries.first { $0.key == key }?.value
  }

  /// What the value is, for a message.
  var typeName: String {
    switch value {
    case .null: "null"
    case .bool: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .list: "a list"
    case .map: "a mapping"
    }
  }
}

/// Why a document could not be read.
struct DocumentError: Error {
  var line: Int
  var message: String
}

extension ManifestNode {
  /// Deeper than any manifest, shallower than any stack.
  static let maximumDepth = 100

  /// Parses one document. Nil if it is empty.
  ///
  /// - Parameter firstLine: the line of the file on which the text begins.
  /// - Throws: `DocumentError`.
  static func parse(_ text: String, firstLine: Int) throws(DocumentError) -> ManifestNode? {
    if let node = PlainYAML.read(text, firstLine: firstLine) { return node }
    return try parseAny(text, firstLine: firstLine)
  }

  /// The same for all of YAML, by libyaml.
  static func parseAny(_ text: String, firstLine: Int) throws(DocumentError) -> ManifestNode? {
    let root: Node?
    do {
      // The basic resolver types nothing: the default one runs seven regular expressions over every key.
      root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
    } catch {
      throw DocumentError(error, firstLine: firstLine)
    }
    guard let root else { return nil }
    return try ManifestNode(root, firstLine: firstLine, depth: 0)
  }

  private init(_ node: Node, firstLine: Int, depth: Int) throws(DocumentError) {
    line = firstLine + (node.mark?.line ?? 1) - 1
    guard depth < Self.maximumDepth else {
      throw DocumentError(line: line, message: "is nested deeper than \(Self.maximumDepth) levels")
    }
    switch node {
    case .scalar(let scalar):
      value = scalar.style == .plain ? Self.resolve(scalar.string) : .string(scalar.string)
    case .sequence(let sequence):
      var list: [ManifestNode] = []
      list.reserveCapacity(sequence.count)
      for item in sequence { list.append(try ManifestNode(item, firstLine: firstLine, depth: depth + 1)) }
      value = .list(list)
    case .mapping(let mapping):
      var entries: [Entry] = []
      var merged: [ManifestNode] = []
      entries.reserveCapacity(mapping.count)
      for (key, item) in mapping {
        let keyLine = firstLine + (key.mark?.line ?? 1) - 1
        guard case .scalar(let name) = key else {
          throw DocumentError(line: keyLine, message: "a mapping's key must be a string")
        }
        let child = try ManifestNode(item, firstLine: firstLine, depth: depth + 1)
        if name.string == "<<", name.style == .plain {
          merged.append(child)
        } else {
          entries.append(Entry(key: name.string, keyLine: keyLine, value: child))
        }
      }
      for node in merged { try Self.merge(node, into: &entries) }
      value = .map(entries)
    case .alias:
      throw DocumentError(line: line, message: "an alias could not be resolved")
    }
  }

  /// The merge key `<<` (yaml.org/type/merge): what the mapping says itself goes first.
  private static func merge(_ node: ManifestNode, into entries: inout [Entry]) throws(DocumentError) {
    switch node.value {
    case .map(let others):
      let known = Set(entries.map(\.key))
      entries += others.filter { !known.contains($0.key) }
    case .list(let nodes):
      for other in nodes {
        guard case .map = other.value else {
          throw DocumentError(line: other.line, message: "`<<` merges mappings only")
        }
        try merge(other, into: &entries)
      }
    default:
      throw DocumentError(line: node.line, message: "`<<` merges mappings only")
    }
  }

  /// The type of a plain scalar as Kubernetes' YAML library sees it (YAML 1.1: `yes`, `on` and the like are booleans).
  static func resolve(_ text: String) -> Value {
    guard let first = text.utf8.first else { return .null }
    switch first {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
      return number(text) ?? .string(text)
    case UInt8(ascii: "~"), UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "t"), UInt8(ascii: "T"),
      UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "y"), UInt8(ascii: "Y"), UInt8(ascii: "o"),
      UInt8(ascii: "O"):
      // No longer word means anything.
      guard text.utf8.count <= 5 else { return .string(text) }
    default: return .string(text)
    }
    switch text {
    case "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
    default: return .string(text)
    }
  }

  private static func number(_ text: String) -> Value? {
    var digits = text[...].utf8
    if digits.first == UInt8(ascii: "-") || digits.first == UInt8(ascii: "+") { digits = digits.dropFirst() }
    // What most are.
    if digits.first != UInt8(ascii: "0"), let value = Int64(text) { return .integer(value) }
    let sign = text.hasPrefix("-") ? "-" : ""
    var body = String(Substring(digits))
    if body.utf8.contains(UInt8(ascii: "_")) { body.removeAll { $0 == "_" } }
    if body.hasPrefix("0"), body.count > 1 {
      let second = body.dropFirst().first!
      let radix = second == "x" ? 16 : second == "b" ? 2 : 8
      let rest = second == "x" || second == "b" || second == "o" ? body.dropFirst(2) : body.dropFirst()
      if let value = Int64(sign + rest, radix: radix), !rest.hasPrefix("-"), !rest.hasPrefix("+") {
        return .integer(value)
      }
    }
    if digits.allSatisfy({ ($0 >= 48 && $0 <= 57) || $0 == UInt8(ascii: "_") }), let value = Int64(sign + body) {
      return .integer(value)
    }
    if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(body) { return .number(text) }
    let isFloat = digits.allSatisfy {
      ($0 >= 48 && $0 <= 57) || $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") || $0 == UInt8(ascii: "-")
        || $0 == UInt8(ascii: "+")
    }
    return isFloat && Double(text) != nil ? .number(text) : nil
  }
}

extension DocumentError {
  fileprivate init(_ error: any Error, firstLine: Int) {
    func at(_ mark: Mark) -> Int { firstLine + max(mark.line, 1) - 1 }
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _):
      let detail = context.map { "\($0.text): \(problem)" } ?? problem
      self.init(line: at(mark), message: "malformed YAML: \(detail)")
    case .composer(_, let problem, let mark, _):
      self.init(line: at(mark), message: "malformed YAML: \(problem)")
    case .reader(let problem, let offset, _, let yaml):
      let line = offset.map { yaml.prefix($0).utf8.reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) } } ?? 0
      self.init(line: firstLine + line, message: "malformed YAML: \(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { "`\($0)`" }.joined(separator: ", ")
      self.init(line: at(context.mark), message: "malformed YAML: the same mapping has \(names) more than once")
    case .memory:
      self.init(line: firstLine, message: "malformed YAML: nested too deeply")
    default:
      self.init(line: firstLine, message: "malformed YAML: \(error)")
    }
  }
}
