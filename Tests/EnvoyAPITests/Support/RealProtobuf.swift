import EnvoyAPI
import Foundation

/// JSON that compares by meaning: key order, white space and `1` or `1.0` make no difference.
struct JSON: Equatable, CustomStringConvertible, ExpressibleByStringLiteral {
  private let value: NSObject

  init(_ text: String) throws {
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    guard let value = value as? NSObject else { throw Scripts.Failure(description: "no JSON: \(text)") }
    self.value = value
  }

  init(stringLiteral text: String) {
    do { try self.init(text) } catch { fatalError("an expectation is no JSON: \(text)") }
  }

  static func == (a: JSON, b: JSON) -> Bool { a.value.isEqual(b.value) }

  var description: String {
    let options: JSONSerialization.WritingOptions = [
      .sortedKeys, .prettyPrinted, .fragmentsAllowed, .withoutEscapingSlashes,
    ]
    let data = try? JSONSerialization.data(withJSONObject: value, options: options)
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "\(value)"
  }
}

/// Python's protobuf with the real descriptors, as the judge of our bytes.
enum RealProtobuf {
  /// The messages that the bytes are, as JSON.
  static func decode(_ messages: [(type: String, bytes: [UInt8])]) throws -> [JSON] {
    try convert(messages.map { "decode \($0.type) \(hexadecimal($0.bytes))" }).map { try JSON($0) }
  }

  static func decode(_ type: String, _ bytes: [UInt8]) throws -> JSON { try decode([(type, bytes)])[0] }

  /// The bytes of the message that the JSON says.
  static func encode(_ type: String, _ json: String) throws -> [UInt8] {
    let line = json.split(separator: "\n").joined(separator: " ")
    let hexadecimal = try convert(["encode \(type) \(line)"])[0]
    return stride(from: 0, to: hexadecimal.utf8.count, by: 2).map { offset in
      let start = hexadecimal.index(hexadecimal.startIndex, offsetBy: offset)
      return UInt8(hexadecimal[start..<hexadecimal.index(start, offsetBy: 2)], radix: 16)!
    }
  }

  private static func convert(_ lines: [String]) throws -> [String] {
    let outcome = try Scripts.python(
      "scripts/descriptors/convert.py", input: lines.joined(separator: "\n") + "\n")
    // A message with nothing set has no bytes, and its answer is an empty line.
    let answers = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    guard outcome.status == 0, answers.count == lines.count else {
      throw Scripts.Failure(description: "convert.py: \(outcome.output)")
    }
    if let error = answers.first(where: { $0.hasPrefix("error: ") }) { throw Scripts.Failure(description: error) }
    return answers
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

extension EnvoyJSON {
  static func json(_ type: String, _ bytes: [UInt8]) throws -> JSON {
    try JSON(render(typeURL: "type.googleapis.com/" + type, bytes: bytes))
  }
}
