internal import Foundation

/// A JSON value read from somebody's admin interface, to be looked into by key, index or search.
public enum JSON: Sendable, Hashable, Decodable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSON].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSON].self))
    }
  }

  /// - Throws: ``HarnessError`` `malformed` if the text is not JSON.
  public init(parsing text: String) throws {
    do {
      self = try JSONDecoder().decode(JSON.self, from: Data(text.utf8))
    } catch {
      throw HarnessError(.malformed, "not JSON: \(text.prefix(200))", cause: error)
    }
  }

  public subscript(key: String) -> JSON {
    if case .object(let members) = self { members[key] ?? .null } else { .null }
  }

  public subscript(index: Int) -> JSON {
    if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { .null }
  }

  public var string: String? { if case .string(let value) = self { value } else { nil } }
  /// A number, also one that protobuf's JSON writes as a string (64-bit integers).
  public var integer: Int? {
    switch self {
    case .number(let value): Int(value)
    case .string(let value): Int(value)
    default: nil
    }
  }
  public var number: Double? { if case .number(let value) = self { value } else { nil } }
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var array: [JSON] { if case .array(let elements) = self { elements } else { [] } }
  public var object: [String: JSON] { if case .object(let members) = self { members } else { [:] } }

  /// Every value below this one, at whatever depth, that is stored under `key`.
  public func all(_ key: String) -> [JSON] {
    switch self {
    case .array(let elements): elements.flatMap { $0.all(key) }
    case .object(let members):
      members.flatMap { name, value in (name == key ? [value] : []) + value.all(key) }
    default: []
    }
  }
}
