/// A client's reason for a refusal, read once for the names in it.
///
/// The text is the client's own, so its length is bounded before anything is done with it. Envoy quotes some names and
/// writes others bare, followed by punctuation (`Error adding/updating cluster(s) outbound|80||a.shop: ring hash: ...`).
struct RefusalText: Sendable {
  /// Bytes of UTF-8 that are read and kept.
  static let limit = 4096

  let text: String
  private let words: Set<Substring>

  init(_ message: String) {
    text = message.cut(to: Self.limit)
    var words: Set<Substring> = []
    // Runs of the bytes that names are made of.
    for run in text.utf8.split(whereSeparator: { !Self.isPart($0) }) {
      words.insert(Substring(run))
      words.insert(Substring(run).trimmed(of: ".-"))
    }
    // Names with other bytes: up to the next blank, or between quotes.
    for run in text.split(separator: " ") { words.insert(run.trimmed(of: ".,;:()[]{}'\"")) }
    for quote in ["'", "\""] as [Character] {
      for quoted in text.split(separator: quote, omittingEmptySubsequences: false).dropFirst() { words.insert(quoted) }
    }
    self.words = words
  }

  /// Whether the text holds the name as a word of its own. O(name).
  func names(_ name: String) -> Bool { !name.isEmpty && words.contains(name[...]) }

  private static func isPart(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122, 45, 46, 95, 124: true
    default: false
    }
  }
}

extension String {
  /// The text, or its beginning if it has more bytes of UTF-8 than this. O(limit).
  func cut(to limit: Int) -> String {
    guard utf8.count > limit else { return self }
    // A scalar that is cut in two is left out.
    var end = utf8.index(utf8.startIndex, offsetBy: limit)
    while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
    return String(self[..<end])
  }
}

extension Substring {
  fileprivate func trimmed(of punctuation: String) -> Substring {
    var result = self
    while let last = result.last, punctuation.contains(last) { result.removeLast() }
    while let first = result.first, punctuation.contains(first) { result.removeFirst() }
    return result
  }
}
