import Testing

@testable import ManifestSource

@Suite struct GoDurationTests {
  @Test(arguments: [
    ("0", 0), ("0s", 0), ("5s", 5_000), ("1h3m", 3_780_000), ("250ms", 250), ("1.5s", 1_500), (".5s", 500),
    ("1.s", 1_000),
    ("+1s", 1_000), ("1000us", 1), ("1000µs", 1), ("1000000ns", 1), ("1m0.1s", 60_100), ("2562047h", 9_223_369_200_000),
  ]) func good(_ text: String, _ milliseconds: UInt64) throws {
    #expect(try GoDuration.milliseconds(text).get() == milliseconds)
  }

  @Test(arguments: [
    "", "5", "s", ".s", "5 s", "5sec", "-1s", "1s-", "1e3s", "1us", "0.0001s", "2562048h", "99999999999999999999s", "+",
    "1..5s",
  ])
  func bad(_ text: String) {
    #expect(throws: GoDuration.Invalid.self) { try GoDuration.milliseconds(text).get() }
  }
}
