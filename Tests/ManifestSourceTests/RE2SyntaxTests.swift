@testable import ManifestSource
import Testing

/// Verdicts of RE2 itself (google-re2 1.1), of which the parser must not differ.
@Suite struct RE2SyntaxTests {
  @Test(arguments: [
    "", "a", "/api/v[0-9]+/.*", "a{2}", "a{2,}", "a{2,3}", "a{,2}", "a{a}", "a{01}", "{", "}", "]", "(a|b)*?", "^a$",
    "(?i)a", "(?i:a)b", "(?-s:a)", "(?ims-U:a)", "(?P<n>a)", "(?<n>a)", "[]a]", "[^]a]", "[a-]", "[-a]", "[--a]",
    "[a-b-c]", "[[:alpha:]]", "[[:^alpha:]]", "[:alpha:]", "[\\d-z]", "[\\pL\\PN]", "\\pL", "\\p{Greek}", "\\p{^Greek}",
    "\\Qa(b\\Ec", "\\Q(", "\\x41", "\\x{10FFFF}", "\\0", "\\12", "\\_", "\\-", "\\/", "\\A\\z\\b\\B\\C", "a{1000}",
    "(a{10}){100}", "a(?i)*", "a??(?m){40}", "()", "(|a)", "a||b", "^*", "é[à-ü]",
  ]) func accepted(_ pattern: String) {
    #expect(RE2Syntax.problem(pattern) == nil)
  }

  @Test(arguments: [
    "(", ")", "(a", "a)", "[", "[a", "[]", "[z-a]", "[a-\\d]", "[[:foo:]]", "*", "*a", "(*a)", "|*", "a**", "a*+",
    "a+?*",
    "a{2}{3}", "a{3,2}", "a{1001}", "(a{40}){30}", "((a{10}){11}){10}", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)",
    "(?#a)", "(?P=n)", "(?P<n>a)(?P<n>b)", "(?P<>a)", "(?P<n", "(?x)", "(?i-)", "(?", "\\", "(a)\\1", "\\8", "\\Z",
    "\\G",
    "\\E", "\\e", "\\c", "\\u0041", "\\é", "\\x", "\\x4", "\\x{}", "\\x{110000}", "\\p", "\\pX", "\\p{greek}", "\\p{",
  ]) func refused(_ pattern: String) {
    #expect(RE2Syntax.problem(pattern) != nil)
  }

  @Test func whatWouldCompileToTooMuchIsRefused() {
    #expect(RE2Syntax.problem("\\pL{20}") == nil)
    #expect(RE2Syntax.problem("\\pL{40}") == "too large")
    #expect(RE2Syntax.problem(String(repeating: "a", count: 40_000)) == "too large")
    #expect(RE2Syntax.problem(String(repeating: "(", count: 300)) == "nested too deeply")
    #expect(RE2Syntax.problem(String(repeating: "(a{9}|", count: 200) + String(repeating: ")", count: 200)) == nil)
  }
}

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
