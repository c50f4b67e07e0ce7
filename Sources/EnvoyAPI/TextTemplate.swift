/// The bytes of messages that differ in one text only: packed once for each length of the text, with another text in its
/// place, then copied and written over. What stands around the text is the same then, all lengths included.
final class TextTemplate {
  /// Longer texts are not worth a template; and the length of these is one byte that is not the placeholder's.
  static let longest = 125
  private static let placeholder = UInt8(ascii: "~")

  private let bytes: [UInt8]
  /// Where the text begins.
  private let places: [Int]
  private let length: Int

  /// - Parameters:
  ///   - length: of the text in UTF-8, from 1 to `longest`.
  ///   - pack: packs the message with a text. Nothing else in it may have the placeholder's character.
  init(length: Int, pack: (String) -> [UInt8]) {
    let bytes = pack(String(repeating: Character(Unicode.Scalar(Self.placeholder)), count: length))
    var places: [Int] = []
    var run = 0
    for (index, byte) in bytes.enumerated() {
      run = byte == Self.placeholder ? run + 1 : 0
      if run == length { places.append(index + 1 - length) }
      precondition(run <= length, "the placeholder occurs in the message itself")
    }
    precondition(!places.isEmpty, "the text is not in the message")
    self.bytes = bytes
    self.places = places
    self.length = length
  }

  /// The message with a text of this length that holds no zero byte (`Arena.string` says why).
  func message(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    // A copy when it is written to. An array of unknown content is made by unspecialised code, which costs more.
    var message = bytes
    message.withUnsafeMutableBufferPointer { write(text, into: $0) }
    return message
  }

  /// Appends the message.
  func append(_ text: UnsafeBufferPointer<UInt8>, to message: inout [UInt8]) {
    let start = message.count
    message.append(contentsOf: bytes)
    message.withUnsafeMutableBufferPointer { write(text, into: UnsafeMutableBufferPointer(rebasing: $0[start...])) }
  }

  private func write(_ text: UnsafeBufferPointer<UInt8>, into buffer: UnsafeMutableBufferPointer<UInt8>) {
    guard let source = text.baseAddress, let start = buffer.baseAddress else { return }
    precondition(text.count == length && buffer.count == bytes.count, "a text of another length")
    for place in places { (start + place).update(from: source, count: length) }
  }
}

/// Templates by the length of their text, made when they are first asked for.
struct TextTemplates {
  private var byLength: [TextTemplate?] = []

  /// Lends the template for a text; without one if the text is too long, or holds a zero byte.
  mutating func with<Result>(
    _ text: String, pack: (String) -> [UInt8], _ body: (TextTemplate?, UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    var text = text
    return text.withUTF8 { text in
      guard (1...TextTemplate.longest).contains(text.count), !text.contains(0) else { return body(nil, text) }
      while byLength.count <= text.count { byLength.append(nil) }
      if let template = byLength[text.count] { return body(template, text) }
      let template = TextTemplate(length: text.count, pack: pack)
      byLength[text.count] = template
      return body(template, text)
    }
  }
}
