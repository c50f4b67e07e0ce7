/// The part of JSON Schema (2020-12) that the OpenAPI document uses for what is sent here, and what is said of a value that
/// is not so. A keyword that is not here is not looked at; a test makes sure that request schemas have none.
struct JSONSchemas: Sendable {
  static let keywords: Set<String> = [
    "$ref", "type", "enum", "const", "properties", "required", "additionalProperties", "minProperties", "maxProperties",
    "items", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength", "oneOf", "pattern",
  ]
  /// Those that say nothing about values.
  static let annotations: Set<String> = ["description", "title", "default", "examples", "format"]

  /// By name: `components.schemas` of the document.
  let named: [String: JSONValue]

  func problem(in value: JSONValue, as name: String) -> String? {
    problem(in: value, named[name] ?? .bool(false), at: "")
  }

  func problem(in value: JSONValue, _ schema: JSONValue, at path: String) -> String? {
    guard case .object(let schema) = schema else { return nil }
    if let name = schema["$ref"]?.string?.split(separator: "/").last, let target = named[String(name)] {
      return problem(in: value, target, at: path)
    }
    if let choices = schema["oneOf"]?.array { return problem(in: value, choices: choices, at: path) }
    if let type = schema["type"]?.string, !value.isA(type) {
      return said(at: path, "\(value.kind), where \(type.withArticle) is needed")
    }
    if let allowed = schema["enum"]?.array, !allowed.contains(value) {
      return said(at: path, "\(value.text) is none of \(allowed.map(\.text).joined(separator: ", "))")
    }
    if let constant = schema["const"], constant != value { return said(at: path, "it can only be \(constant.text)") }
    switch value {
    case .object(let members): return problem(in: members, schema, at: path)
    case .array(let items): return problem(in: items, schema, at: path)
    case .string(let text): return problem(in: text, schema, at: path)
    case .integer(let number): return problem(in: Double(number), schema, at: path)
    case .number(let number): return problem(in: number, schema, at: path)
    case .null, .bool: return nil
    }
  }

  /// Names the branch's own problem where only one can be meant.
  private func problem(in value: JSONValue, choices: [JSONValue], at path: String) -> String? {
    let problems = choices.map { problem(in: value, $0, at: path) }
    let matching = problems.count { $0 == nil }
    if matching == 1 { return nil }
    if matching > 1 { return said(at: path, "it can be read in more ways than one") }
    let meant = zip(choices, problems).filter { choice, _ in resolved(choice)["type"]?.string.map(value.isA) ?? false }
    if meant.count == 1, let problem = meant[0].1 { return problem }
    return said(at: path, "it is none of the forms that it can have")
  }

  private func resolved(_ schema: JSONValue) -> [String: JSONValue] {
    guard case .object(let members) = schema else { return [:] }
    guard let name = members["$ref"]?.string?.split(separator: "/").last else { return members }
    return named[String(name)].map { resolved($0) } ?? [:]
  }

  private func problem(in members: [String: JSONValue], _ schema: [String: JSONValue], at path: String) -> String? {
    let known = schema["properties"]?.object ?? [:]
    func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    if let least = schema["minProperties"]?.double, Double(members.count) < least {
      return said(at: path, "it is empty")
    }
    if let most = schema["maxProperties"]?.double, Double(members.count) > most {
      return said(at: path, "it has more than \(Int(most)) fields")
    }
    // What is misspelt, before what is missing for that reason.
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      if let schema = known[name] {
        if let problem = problem(in: value, schema, at: place(name)) { return problem }
      } else if schema["additionalProperties"] == .bool(false) {
        return said(at: place(name), "unknown field; known are \(known.keys.sorted().joined(separator: ", "))")
      } else if let schema = schema["additionalProperties"],
        let problem = problem(in: value, schema, at: place(name))
      {
        return problem
      }
    }
    for name in schema["required"]?.array?.compactMap(\.string) ?? [] where members[name] == nil {
      return said(at: place(name), "it is missing")
    }
    return nil
  }

  private func problem(in items: [JSONValue], _ schema: [String: JSONValue], at path: String) -> String? {
    if let least = schema["minItems"]?.double, Double(items.count) < least {
      return said(at: path, "it has fewer than \(Int(least)) items")
    }
    if let most = schema["maxItems"]?.double, Double(items.count) > most {
      return said(at: path, "it has more than \(Int(most)) items")
    }
    guard let item = schema["items"] else { return nil }
    for (index, value) in items.enumerated() {
      if let problem = problem(in: value, item, at: "\(path)[\(index)]") { return problem }
    }
    return nil
  }

  private func problem(in text: String, _ schema: [String: JSONValue], at path: String) -> String? {
    // JSON Schema counts characters of Unicode.
    let count = Double(text.unicodeScalars.count)
    if let least = schema["minLength"]?.double, count < least { return said(at: path, "it is empty or too short") }
    if let most = schema["maxLength"]?.double, count > most {
      return said(at: path, "it is longer than \(Int(most)) characters")
    }
    if let pattern = schema["pattern"]?.string, let expression = try? Regex(pattern),
      (try? expression.matchingSemantics(.unicodeScalar).firstMatch(in: text)) == nil
    {
      return said(at: path, "\(JSONValue.string(text).text) does not match \(pattern)")
    }
    return nil
  }

  private func problem(in number: Double, _ schema: [String: JSONValue], at path: String) -> String? {
    if let least = schema["minimum"]?.double, number < least { return said(at: path, "it is less than \(text(least))") }
    if let most = schema["maximum"]?.double, number > most { return said(at: path, "it is more than \(text(most))") }
    return nil
  }

  private func text(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? "\(number)" }

  private func said(at path: String, _ message: String) -> String { "\(path.isEmpty ? "the body" : path): \(message)" }
}

extension JSONValue {
  var object: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
  var array: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
  var string: String? { if case .string(let text) = self { text } else { nil } }

  fileprivate var double: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }

  fileprivate func isA(_ type: String) -> Bool {
    switch (self, type) {
    case (.null, "null"), (.bool, "boolean"), (.integer, "integer"), (.integer, "number"), (.number, "number"),
      (.string, "string"), (.array, "array"), (.object, "object"):
      true
    // 1e20 is whole, too.
    case (.number(let number), "integer"): number.rounded() == number
    default: false
    }
  }

  fileprivate var kind: String {
    switch self {
    case .null: "it is null"
    case .bool: "it is a boolean"
    case .integer, .number: "it is a number"
    case .string: "it is a string"
    case .array: "it is an array"
    case .object: "it is an object"
    }
  }

  /// For messages; not more than a line.
  fileprivate var text: String {
    switch self {
    case .string(let text): "\"\(text.prefix(80).filter { !$0.isNewline })\(text.count > 80 ? "…" : "")\""
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .bool(let value): "\(value)"
    case .null, .array, .object: kind
    }
  }
}

extension String {
  fileprivate var withArticle: String {
    self == "integer" || self == "array" || self == "object" ? "an \(self)" : "a \(self)"
  }
}
