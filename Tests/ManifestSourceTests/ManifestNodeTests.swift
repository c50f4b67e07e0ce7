import Testing

@testable import ManifestSource

@Suite struct ManifestNodeTests {
  /// Octal with or without an o, whatever the sign, as in YAML 1.1.
  @Test(arguments: [
    ("0", 0), ("7", 7), ("-7", -7), ("+7", 7), ("010", 8), ("-010", -8), ("+010", 8), ("0o17", 15), ("08", 8),
    ("0x1F", 31),
    ("-0x10", -16), ("0b101", 5), ("1_000", 1000), ("-1_000", -1000), ("9223372036854775807", Int64.max),
    ("-9223372036854775808", Int64.min), ("-0", 0), ("+0x1F", 31), ("-0o17", -15),
  ]) func plainScalarsAreNumbers(text: String, number: Int64) {
    guard case .integer(number) = ManifestNode.resolve(text) else {
      Issue.record("\(ManifestNode.resolve(text))")
      return
    }
  }

  @Test(arguments: ["1.5", "-1.5", "+1.5", ".5", "-.5", "1e3", "-0.5", "-.inf"])
  func otherNumbersStayAsTheyAreWritten(text: String) {
    guard case .number(text) = ManifestNode.resolve(text) else {
      Issue.record("\(ManifestNode.resolve(text))")
      return
    }
  }

  @Test(arguments: ["-", "+", "--1", "-+1", "0x", "1-", "10.0.0.1", "1:2"]) func orStrings(text: String) {
    guard case .string(text) = ManifestNode.resolve(text) else {
      Issue.record("\(ManifestNode.resolve(text))")
      return
    }
  }
}
