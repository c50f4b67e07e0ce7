extension MetricsRegistry {
  /// The media type of `prometheusText()`.
  public static let prometheusContentType = "text/plain; version=0.0.4; charset=utf-8"

  /// All metrics in Prometheus's text format 0.0.4, ordered by name and labels, so that equal values give equal text.
  /// Cost: O(time series). See "Exposition formats" in Prometheus's documentation.
  public func prometheusText() -> String {
    var text = ""
    for (name, family) in sortedFamilies() {
      text += "# HELP \(name) \(escapeHelp(family.help))\n# TYPE \(name) \(family.kind.rawValue)\n"
      var seen = Set(family.members.keys)
      for (labels, source) in family.members.sorted(by: { $0.key < $1.key }) {
        write(source, name, labels, to: &text)
      }
      let samples = family.collections.flatMap { $0() }.map { (labels: LabelSet($0.labels), value: $0.value) }
      for (labels, value) in samples.sorted(by: { $0.labels < $1.labels }) where seen.insert(labels).inserted {
        for label in labels.names { precondition(isLabelName(label), "\(label) is not a name of a label") }
        writeLine(name, labels, number(value), to: &text)
      }
    }
    return text
  }
}

private func write(_ source: MetricsRegistry.Source, _ name: String, _ labels: LabelSet, to text: inout String) {
  switch source {
  case .counter(let counter): writeLine(name, labels, String(counter.value), to: &text)
  case .gauge(let gauge): writeLine(name, labels, String(gauge.value), to: &text)
  case .reading(let read): writeLine(name, labels, number(read()), to: &text)
  case .histogram(let histogram):
    let snapshot = histogram.snapshot
    var count: UInt64 = 0
    for (bucket, bound) in zip(snapshot.buckets, histogram.bounds) {
      count &+= bucket
      writeLine(name + "_bucket", labels, le: number(Double(bound) / 1e9), String(count), to: &text)
    }
    let total = String(snapshot.count)
    writeLine(name + "_bucket", labels, le: "+Inf", total, to: &text)
    writeLine(name + "_sum", labels, number(Double(snapshot.sum.nanoseconds) / 1e9), to: &text)
    writeLine(name + "_count", labels, total, to: &text)
  }
}

private func writeLine(_ name: String, _ labels: LabelSet, le: String? = nil, _ value: String, to text: inout String) {
  text += name
  var pairs = zip(labels.names, labels.values).map { "\($0)=\"\(escapeLabel($1))\"" }
  if let le { pairs.append("le=\"\(le)\"") }
  if !pairs.isEmpty { text += "{\(pairs.joined(separator: ","))}" }
  text += " \(value)\n"
}

/// A float as Go's `ParseFloat` reads it, without a fraction where there is none.
private func number(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
  let text = value.description
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

private func escapeHelp(_ text: String) -> String {
  escape(text, quote: false)
}

private func escapeLabel(_ text: String) -> String {
  escape(text, quote: true)
}

private func escape(_ text: String, quote: Bool) -> String {
  // Unicode scalars, for "\r\n" is one character.
  var escaped = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\\": escaped.append(contentsOf: #"\\"#.unicodeScalars)
    case "\n": escaped.append(contentsOf: #"\n"#.unicodeScalars)
    case "\"" where quote: escaped.append(contentsOf: #"\""#.unicodeScalars)
    default: escaped.append(scalar)
    }
  }
  return String(escaped)
}
