public import FoundationEssentials

/// The one form of releases as JSON: in the store, in the HTTP API, on the command line. Keys are sorted, times are RFC 3339 in
/// UTC with milliseconds.
public enum ReleaseJSON {
  public static func encode(_ value: some Encodable, pretty: Bool = false) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
      pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .custom { date, encoder in
      var container = encoder.singleValueContainer()
      try container.encode(text(date))
    }
    return try encoder.encode(value)
  }

  public static func decode<Value: Decodable>(_ type: Value.Type = Value.self, from data: Data) throws -> Value {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .custom { decoder in
      let container = try decoder.singleValueContainer()
      let text = try container.decode(String.self)
      guard let date = date(text) else {
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "\(text) is no time as RFC 3339 writes it")
      }
      return date
    }
    return try decoder.decode(type, from: data)
  }

  public static func text(_ date: Date) -> String { date.formatted(withFraction) }

  public static func date(_ text: String) -> Date? {
    (try? withFraction.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text))
  }

  private static let withFraction = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

  /// As stored: what comes back is what went in.
  public static func stored(_ date: Date) -> Date { self.date(text(date)) ?? date }
}
