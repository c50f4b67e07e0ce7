// What `weir serve` says of itself on its admin interface.
extension WeirProcess {
  /// The body of an admin page.
  ///
  /// - Throws: ``HarnessError`` `malformed` if the status is not the one expected.
  public nonisolated func page(_ path: String, expecting status: Int = 200) async throws -> String {
    let response = try await HTTPCall.get(addresses.admin, path)
    guard response.status == status else {
      throw HarnessError(.malformed, "weir's \(path) answered \(response.status): \(response.body.prefix(200))")
    }
    return response.body
  }

  public nonisolated func json(_ path: String) async throws -> JSON {
    try JSON(parsing: await page(path))
  }

  /// `/metrics`, read.
  public nonisolated func metrics() async throws -> Metrics {
    Metrics(text: try await page("/metrics"))
  }
}

/// Samples in Prometheus' text format:
/// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
public struct Metrics: Sendable {
  public struct Sample: Sendable, Hashable {
    public var name: String
    public var labels: [String: String]
    public var value: Double
  }

  public var samples: [Sample]

  public init(text: String) {
    samples = text.split(separator: "\n").compactMap { line in
      guard !line.hasPrefix("#"), let space = line.lastIndex(of: " ") else { return nil }
      guard let value = Double(line[line.index(after: space)...]) else { return nil }
      let series = line[..<space]
      guard let brace = series.firstIndex(of: "{") else {
        return Sample(name: String(series), labels: [:], value: value)
      }
      var labels: [String: String] = [:]
      for match in series[brace...].matches(of: /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/) {
        labels[String(match.1)] = String(match.2)
      }
      return Sample(name: String(series[..<brace]), labels: labels, value: value)
    }
  }

  /// The sum of all samples of that name that carry the given labels; 0 if there are none.
  public func sum(_ name: String, _ labels: [String: String] = [:]) -> Double {
    samples.filter { sample in
      sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
    }.reduce(0) { $0 + $1.value }
  }

  /// Every name that occurs.
  public var names: Set<String> { Set(samples.map(\.name)) }
}
