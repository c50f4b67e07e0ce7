internal import Foundation

/// The JSON of payloads: keys in order and in snake case.
enum WebhookJSON {
  static func encode(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // Strings, numbers, and dictionaries and lists of them only.
    guard let data = try? encoder.encode(value) else { preconditionFailure("a payload is always JSON") }
    return [UInt8](data)
  }

  static func decode<Value: Decodable>(_: Value.Type, from bytes: [UInt8]) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Value.self, from: Data(bytes))
  }
}
