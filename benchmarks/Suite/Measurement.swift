import EnvoyHarness

/// Something that is measured by itself: it sets up all that it needs, and takes it down again.
protocol Measurement: Sendable {
  /// What `--only` calls it.
  var name: String { get }
  /// Measures.
  ///
  /// - Returns: figures by name, their units at the end of the names.
  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double]
}

/// How much of everything.
enum Effort: Sendable {
  /// Every bar, with fewer repeats.
  case quick
  case full

  func callAsFunction<Value>(quick: Value, full: Value) -> Value { self == .quick ? quick : full }
}
