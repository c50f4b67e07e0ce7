/// A strict reader of Prometheus's text format 0.0.4, for the tests: what it does not understand, it throws.
struct PrometheusParser {
  struct Failure: Error { var line: Int, message: String }
  struct Series: Hashable { var name: String, labels: [String: String] }
  struct Family {
    var help: String
    var type: String
    var series: [(key: Series, value: Double)] = []
  }

  private(set) var families: [String: Family] = [:]
  private var lineNumber = 0

  static func parse(_ text: String) throws -> [String: Family] {
    var parser = Self()
    try parser.read(text)
    return parser.families
  }

  private func fail(_ message: String) -> Failure { Failure(line: lineNumber, message: message) }

  private mutating func read(_ text: String) throws {
    guard text.isEmpty || text.unicodeScalars.last == "\n" else { throw fail("the last line does not end") }
    var current: String?
    var help: (name: String, text: String)?
    var seen: Set<Series> = []
    for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      lineNumber += 1
      let line = String(line)
      if line.hasPrefix("# HELP ") {
        let parts = line.dropFirst(7).split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { throw fail("HELP without a text") }
        guard families[parts[0]] == nil else { throw fail("\(parts[0]) appears twice") }
        help = (parts[0], try unescape(parts[1], quotes: false))
      } else if line.hasPrefix("# TYPE ") {
        let parts = line.dropFirst(7).split(separator: " ").map(String.init)
        guard parts.count == 2, parts[0] == help?.name, let text = help?.text else { throw fail("TYPE without HELP") }
        guard ["counter", "gauge", "histogram"].contains(parts[1]) else { throw fail("unknown type \(parts[1])") }
        families[parts[0]] = Family(help: text, type: parts[1])
        current = parts[0]
      } else {
        guard let current, let family = families[current] else { throw fail("a sample before its TYPE") }
        let (key, value) = try sample(line)
        let allowed =
          family.type == "histogram" ? ["_bucket", "_sum", "_count"].map { current + $0 } : [current]
        guard allowed.contains(key.name) else { throw fail("\(key.name) under \(current)") }
        guard seen.insert(key).inserted else { throw fail("\(key) twice") }
        families[current]?.series.append((key, value))
      }
    }
    for (name, family) in families where family.type == "histogram" { try checkHistogram(name, family) }
  }

  private func sample(_ line: String) throws -> (Series, Double) {
    var rest = Array(line.unicodeScalars)[...]
    let name = String(String.UnicodeScalarView(rest.prefix { $0 != "{" && $0 != " " }))
    guard name.wholeMatch(of: /[a-zA-Z_:][a-zA-Z0-9_:]*/) != nil else { throw fail("bad name \(name)") }
    rest = rest.dropFirst(name.unicodeScalars.count)
    var labels: [String: String] = [:]
    if rest.first == "{" {
      rest = rest.dropFirst()
      while rest.first != "}" {
        let label = String(String.UnicodeScalarView(rest.prefix { $0 != "=" }))
        guard label.wholeMatch(of: /[a-zA-Z_][a-zA-Z0-9_]*/) != nil else { throw fail("bad label \(label)") }
        rest = rest.dropFirst(label.unicodeScalars.count + 1)
        guard rest.popFirst() == "\"" else { throw fail("no quote") }
        var raw = String.UnicodeScalarView()
        while let next = rest.popFirst(), next != "\"" {
          raw.append(next)
          if next == "\\", let escaped = rest.popFirst() { raw.append(escaped) }
        }
        guard labels.updateValue(try unescape(String(raw), quotes: true), forKey: label) == nil else {
          throw fail("label \(label) twice")
        }
        if rest.first == "," { rest = rest.dropFirst() } else if rest.first != "}" { throw fail("no } or ,") }
      }
      rest = rest.dropFirst()
    }
    guard rest.popFirst() == " " else { throw fail("no space before the value") }
    let text = String(String.UnicodeScalarView(rest))
    switch text {
    case "+Inf": return (Series(name: name, labels: labels), .infinity)
    case "-Inf": return (Series(name: name, labels: labels), -.infinity)
    case "NaN": return (Series(name: name, labels: labels), .nan)
    default:
      guard let value = Double(text), value.isFinite else { throw fail("bad value \(text)") }
      return (Series(name: name, labels: labels), value)
    }
  }

  private func unescape(_ text: String, quotes: Bool) throws -> String {
    var result = String.UnicodeScalarView()
    var scalars = text.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      guard scalar == "\\" else {
        result.append(scalar)
        continue
      }
      switch scalars.next() {
      case "\\": result.append("\\")
      case "n": result.append("\n")
      case "\"" where quotes: result.append("\"")
      default: throw fail("bad escape")
      }
    }
    return String(result)
  }

  /// Buckets ascend in bound and count, end with +Inf, and agree with `_count`.
  private func checkHistogram(_ name: String, _ family: Family) throws {
    var groups: [[String: String]: [(bound: Double, count: Double)]] = [:]
    for (key, value) in family.series where key.name == name + "_bucket" {
      var labels = key.labels
      guard let le = labels.removeValue(forKey: "le") else { throw fail("a bucket without le") }
      guard let bound = le == "+Inf" ? .infinity : Double(le) else { throw fail("bad bound \(le)") }
      groups[labels, default: []].append((bound, value))
    }
    for (labels, buckets) in groups {
      for (low, high) in zip(buckets, buckets.dropFirst()) where low.bound >= high.bound || low.count > high.count {
        throw fail("the buckets of \(name) do not ascend")
      }
      guard let last = buckets.last, last.bound == .infinity else { throw fail("\(name) has no +Inf") }
      let count = family.series.first { $0.key == Series(name: name + "_count", labels: labels) }
      let sum = family.series.first { $0.key == Series(name: name + "_sum", labels: labels) }
      guard count?.value == last.count, sum != nil else { throw fail("\(name): count or sum is wrong") }
    }
  }
}
