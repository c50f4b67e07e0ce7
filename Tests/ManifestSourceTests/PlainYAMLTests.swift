import Foundation
import Testing

@testable import ManifestSource

/// Whatever the reader of plain YAML takes, libyaml takes, too, and reads the same from it, line by line.
@Suite struct PlainYAMLTests {
  /// The tree with all lines, as text.
  private static func describe(_ node: ManifestNode) -> String {
    let value =
      switch node.value {
      case .list(let items): "[" + items.map(describe).joined(separator: ", ") + "]"
      case .map(let entries):
        "{" + entries.map { "\($0.key.debugDescription)@\($0.keyLine): \(describe($0.value))" }.joined(separator: ", ")
          + "}"
      default: "\(node.value)"
      }
    return "\(value)@\(node.line)"
  }

  private static func byLibyaml(_ text: String, firstLine: Int) -> String {
    do throws(DocumentError) {
      return try ManifestNode.parseAny(text, firstLine: firstLine).map(describe) ?? "nothing"
    } catch {
      return "\(error.line): \(error.message)"
    }
  }

  /// Whether it is taken.
  @discardableResult
  private func expectTheSame(_ text: String, firstLine: Int = 1) -> Bool {
    guard let node = PlainYAML.read(text, firstLine: firstLine) else { return false }
    let (plain, full) = (Self.describe(node), Self.byLibyaml(text, firstLine: firstLine))
    #expect(plain == full, "\(text.debugDescription)")
    return true
  }

  static let taken = [
    "a: b", "a: b\n", "---\na: b\n", "--- # x\na: b\n", "# x\n\na: b # c\n\n  # d\nc: d\n", "  a: b\n  c: d\n",
    "a:\nb:\n  c:\nd: # x\n", "a:\n- b\n- c: d\n  e: f\n-   g: h\n    i: j\nk: l\n", "a:\n  - b\n  - c\nd: e\n",
    "a:\n- b:\n  - c\n  - d\n  e: f\n- g\n", "a:\n- b:\n- c\n", "a: {}\nb: []\nc: {d: [e, {f: g}], 'h': \"i\"}\n",
    "{\"a\":1,\n \"b\": 2}", "{\n  \"a\": [\n    1,\n    {\"b\": null}\n  ]\n}\n",
    "a: {b: c,\nd: [e,\n  f]}\ng: h\n", "a: b c  d   # e\n", "a: http://b:1/c,d\n", "a: 2001:db8::1\n",
    "a: [1, -1, 1.5, 010, 0x1f, 1_000, .inf, -.5, yes, Off, ~, null, Null, true, tRue, 10.0.0.1, 1e3]\n",
    "a: 'it is \"so\"'\nb: \"it's\"\n\"c d\": e\n'f': g\n", "1: a\ntrue: b\nnull: c\n",
    "a: -b\nc: ~/x\nd: $e^(f)\n", "a: (b*c);d\\e\n", "a/b.c-d_e: f\n",
    "a: 9223372036854775807\nb: 9223372036854775808\n",
    "a: [b c , d ]\n", "a: # b\n- c\n", "a:   # b\n  c: d\n", "a: \"\"\nb: ''\n", "a: [\"b\" , 'c']\n",
  ]

  @Test(arguments: taken) func isTaken(_ text: String) {
    #expect(expectTheSame(text))
    expectTheSame(text, firstLine: 17)
  }

  static let left = [
    "", "a", "- a\n", "a: b\na: c\n", "{a: b, 'a': c}\n", "a: &b c\n", "a: *b\n", "<<: {a: b}\n", "a: !!str 1\n",
    "a: |\n  b\n", "a: >\n  b\n", "a: b\n  c\n", "a: \"b\n  c\"\n", "a: 'b''c'\n", "a: \"b\\n\"\n", "a:\tb\n", "a: é\n",
    "a: b\r\n", "? a\n: b\n", "a: b: c\n", "a: [b: c]\n", "{a}\n", "{a:1}\n", "a: [b,]\n", "a: [b\n", "a: ]\n",
    "a: - b\n", "a: b\n- c\n", "a: b#c\n", "a: b::\n", "a:\n    b: c\n  d: e\n", "a:\n  - b\n  c: d\n",
    "a:\n- b\n c: d\n", "a: b\n...\n",
    "%YAML 1.1\n---\na: b\n", "- - a\n", "a:\n-\n  b\n", "a: {b: c}: d\n", "a: [b]c\n", "a: \"b\"c\n", "a: \"b\"#c\n",
    "a:b\n", "a : b\n", "a: @b\n", "a: `b\n", "a: % b\n", "a: b\nc\n", "a: {b: c # d\n}\n", "a:\n  b\n",
    "a: [b, , c]\n",
    "a:\n" + (1...8).map { "  k\($0): v\n" }.joined() + "  k9: v\n  k9: w\n", "k0:\n  - a\n  - k: v\n   l: w\n",
    String(repeating: "a", count: 600) + ": b\n", String(repeating: "[", count: 40), "a: \u{7F}\n", "a: \0\n",
    "a: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "\n",
  ]

  @Test(arguments: left) func isLeftToLibyaml(_ text: String) { #expect(PlainYAML.read(text, firstLine: 1) == nil) }

  /// The documents of this package's own files.
  private static func documents() throws -> [DocumentSplitter.Chunk] {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    var documents: [DocumentSplitter.Chunk] = []
    for folder in ["examples", "deploy", "Tests", "benchmarks", "fuzz", "protos"] {
      guard let files = FileManager.default.enumerator(atPath: root.path + "/" + folder) else { continue }
      for case let file as String in files where file.hasSuffix(".yaml") || file.hasSuffix(".yml") {
        let bytes = try Data(contentsOf: root.appendingPathComponent(folder).appendingPathComponent(file))
        documents += DocumentSplitter.split(Array(bytes))
      }
    }
    return documents
  }

  @Test func theExamplesAreTaken() throws {
    let documents = try Self.documents()
    #expect(documents.count >= 20)
    for document in documents {
      let text = try #require(String(validating: document.bytes, as: UTF8.self))
      #expect(expectTheSame(text, firstLine: document.firstLine), "\(text)")
    }
  }

  @Test func documentsMadeAtRandomReadAlike() {
    var random = RandomDocument(seed: 7)
    var count = 0
    for _ in 0..<400 where expectTheSame(random.document()) { count += 1 }
    #expect(count >= 300, "taken: \(count) of 400")
  }

  /// One character, word or line more, less, or another one: mostly no YAML any longer, or with another meaning.
  @Test func damagedDocumentsReadAlikeOrAreLeft() throws {
    var random = RandomDocument(seed: 11)
    let samples =
      Self.taken + Self.left + BadInputTests.wrongDocuments.map(\.text) + BadInputTests.objects.prefix(20).map(\.text)
    var count = 0
    for round in 0..<6_000 {
      let text = round % 2 == 0 ? samples[random.next(samples.count)] : random.document()
      if expectTheSame(random.damaged(text)) { count += 1 }
    }
    #expect(count >= 1_000, "taken: \(count) of 6000")
  }
}

/// Documents of nested mappings and lists in all the forms that manifests have, and damage to them.
private struct RandomDocument {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  private mutating func pick(_ choices: [String]) -> String { choices[next(choices.count)] }

  mutating func document() -> String {
    pick(["", "", "---\n", "# about\n"]) + mapping(indent: 0, depth: 0)
  }

  private mutating func scalar() -> String {
    pick([
      "a", "v1", "\"10.0.0.1\"", "8080", "true", "no", "~", "'it'", "\"\"", "two words", "5s", "-3", "0.5", "1_0",
      "shop.svc.cluster.local", "/api/v1", "null", "Off", "0o17", "08",
    ])
  }

  private mutating func flow(_ depth: Int) -> String {
    let gap = pick(["", "", " ", "\n   "])
    switch depth > 2 ? 2 : next(4) {
    case 0:
      return "[" + gap + (0..<next(4)).map { _ in flow(depth + 1) }.joined(separator: "," + pick([" ", gap])) + gap
        + "]"
    case 1:
      return "{" + gap + (0..<next(4)).map { "k\($0): \(flow(depth + 1))" }.joined(separator: ", " + gap) + gap + "}"
    default: return scalar()
    }
  }

  private mutating func ending() -> String { pick(["\n", "\n", "\n", " # why\n", "  \n", "\n\n", "\n  # what\n"]) }

  private mutating func mapping(indent: Int, depth: Int, isCompact: Bool = false) -> String {
    let space = String(repeating: " ", count: indent)
    var text = ""
    for number in 0...next(4) {
      text += (isCompact && number == 0 ? "" : space) + "k\(number)" + pick(["", "", "-x", ".y/z"]) + ":"
      switch depth > 3 ? 0 : next(5) {
      case 0, 1: text += " " + scalar() + ending()
      case 2: text += " " + flow(depth) + ending()
      case 3: text += ending() + mapping(indent: indent + 1 + next(4), depth: depth + 1)
      default: text += ending() + list(indent: indent + next(3), depth: depth + 1)
      }
    }
    return text
  }

  private mutating func list(indent: Int, depth: Int) -> String {
    let space = String(repeating: " ", count: indent)
    var text = ""
    for _ in 0...next(3) {
      let gap = next(8) == 0 ? 3 : 1
      text += space + "-" + String(repeating: " ", count: gap)
      switch next(3) {
      case 0: text += scalar() + ending()
      case 1: text += flow(depth) + ending()
      default: text += mapping(indent: indent + 1 + gap, depth: depth + 1, isCompact: true)
      }
    }
    return text
  }

  mutating func damaged(_ text: String) -> String {
    var bytes = Array(text.utf8)
    for _ in 0...next(2) {
      let marks = Array(" \n:-#,[]{}'\"&*!|>?%@~.<0a\t\\=_/".utf8)
      let place = next(bytes.count + 1)
      switch next(5) {
      case 0: bytes.insert(marks[next(marks.count)], at: place)
      case 1: if place < bytes.count { bytes[place] = marks[next(marks.count)] }
      case 2: if place < bytes.count { bytes.remove(at: place) }
      case 3:
        bytes.insert(
          contentsOf: Array(pick([": ", "- ", "\n- ", " #", "\n  ", ", ", "a: ", "---\n", "\n "]).utf8), at: place)
      default:
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let line = next(lines.count)
        if next(2) == 0 { lines.remove(at: line) } else { lines.insert(lines[next(lines.count)], at: line) }
        bytes = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
      }
    }
    // What comes as one document: the cut is made before.
    let chunks = DocumentSplitter.split(bytes)
    return String(decoding: chunks.first?.bytes ?? [], as: UTF8.self)
  }
}
