import Foundation
import Logging

/// One line of `key=value` for each event, on stderr:
///
///     time=2026-03-01T10:00:00.000Z level=info logger=weir msg=Serving xds=127.0.0.1:15010
///
/// Values with spaces, quotes, `=` or control characters are quoted and escaped, so no text from a proxy or a manifest can
/// begin a line of its own.
struct LogfmtHandler: LogHandler {
  var label: String
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  /// Takes each line, with its newline, at once.
  var write: @Sendable (String) -> Void = { line in
    // Nothing can be done where stderr is gone.
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
  }
  var now: @Sendable () -> Date = { Date() }

  private static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

  init(label: String, logLevel: Logger.Level) {
    self.label = label
    self.logLevel = logLevel
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var all = metadata
    if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
    if let own = event.metadata { all.merge(own) { $1 } }
    if let error = event.error { all["error"] = "\(error)" }
    var line = "time=\(now().formatted(Self.timeStyle)) level=\(event.level.rawValue)"
    line += " logger=\(Self.quoteIfNeeded(label)) msg=\(Self.quoteIfNeeded(event.message.description))"
    for (key, value) in all.sorted(by: { $0.key < $1.key }) {
      line += " \(Self.key(key))=\(Self.quoteIfNeeded(value.description))"
    }
    write(line + "\n")
  }

  private static func key(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { needsQuotes($0) ? "_" : $0 }))
  }

  private static func quoteIfNeeded(_ text: String) -> String {
    if !text.isEmpty, !text.unicodeScalars.contains(where: needsQuotes) { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      case _ where scalar.properties.generalCategory == .control || isLineSeparator(scalar):
        let hex = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }

  private static func needsQuotes(_ scalar: Unicode.Scalar) -> Bool {
    scalar == " " || scalar == "\"" || scalar == "=" || scalar == "\\"
      || scalar.properties.generalCategory == .control || isLineSeparator(scalar)
  }

  private static func isLineSeparator(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value == 0x2028 || scalar.value == 0x2029
  }
}
