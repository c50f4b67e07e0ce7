import Foundation

/// Measured numbers by name, such as `fanout-delta-1000x1000/endpoint.server_cpu_ms`: the measurement, then what of it. A unit
/// is the last part of a name.
struct Figures {
  private(set) var values: [String: Double] = [:]

  /// - Returns: nil if it was not measured, or came out as no number.
  subscript(name: String) -> Double? {
    get { values[name].flatMap { $0.isFinite ? $0 : nil } }
    set { values[name] = newValue }
  }

  /// Takes the figures of one measurement in, under its name.
  mutating func add(_ figures: [String: Double], of measurement: String) {
    for (name, value) in figures { values["\(measurement)/\(name)"] = value }
  }

  mutating func remove(_ measurement: String) {
    for key in values.keys where key.hasPrefix(measurement + "/") { values[key] = nil }
  }

  /// Whether anything of a measurement is there.
  func contains(_ measurement: String) -> Bool { values.keys.contains { $0.hasPrefix(measurement + "/") } }

  /// How many times a stream did not get a change, of all changes of the measurement.
  func undelivered(in measurement: String) -> Double {
    values.reduce(0) { sum, figure in
      figure.key.hasPrefix(measurement + "/") && figure.key.hasSuffix("not_received") ? sum + figure.value : sum
    }
  }

  // MARK: As lines of JSON

  /// One object a line, sorted by name.
  func lines(of measurement: String) -> String {
    values.keys.filter { $0.hasPrefix(measurement + "/") }.sorted().compactMap { key in
      guard let value = self[key] else { return nil }
      let name = key.dropFirst(measurement.count + 1)
      return "{\"measurement\":\"\(measurement)\",\"figure\":\"\(name)\",\"value\":\(Self.number(value))}\n"
    }.joined()
  }

  /// Takes in what `lines(of:)` wrote.
  mutating func add(lines text: String) throws {
    struct Line: Decodable {
      var measurement: String
      var figure: String
      var value: Double
    }
    for line in text.split(separator: "\n") {
      let line = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
      values["\(line.measurement)/\(line.figure)"] = line.value
    }
  }

  /// Up to four digits behind the point, without zeros at the end.
  static func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e15 { return String(Int(value)) }
    var text = String(format: "%.4f", value)
    while text.hasSuffix("0") { text.removeLast() }
    return text
  }
}
