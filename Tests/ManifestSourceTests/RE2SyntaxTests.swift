import Testing

@testable import ManifestSource

/// Verdicts of RE2 itself, as Envoy uses it: `RealEnvoyRegexTests` asks that Envoy.
@Suite struct RE2SyntaxTests {
  static let accepted = [
    "", "a", "/api/v[0-9]+/.*", "a{2}", "a{2,}", "a{2,3}", "a{,2}", "a{a}", "a{01}", "{", "}", "]", "(a|b)*?", "^a$",
    "(?i)a", "(?i:a)b", "(?-s:a)", "(?ims-U:a)", "(?P<n>a)", "(?<n>a)", "[]a]", "[^]a]", "[a-]", "[-a]", "[--a]",
    "[a-b-c]", "[[:alpha:]]", "[[:^alpha:]]", "[:alpha:]", "[[:alpha]", "[\\d-z]", "[\\pL\\PN]", "\\pL", "\\p{Greek}",
    "\\p{^Greek}", "\\Qa(b\\Ec", "\\Q(", "\\x41", "\\xff", "\\x{ff}", "\\x{00000041}", "[a-\\x{ff}]", "\\0", "\\12",
    "\\377", "\\_", "\\-", "\\/", "\\A\\z\\b\\B\\C", "a{1000}", "(a{10}){100}", "a(?i)*", "a??(?m){40}", "()", "(|a)",
    "a||b", "^*", "é[à-ü]", "[ü-é]", "日本{3}", "a{99999999999}", "\\p{Greek}{1000}", ".{1000}.{1000}.{1000}.{1000}",
    "\\pL{1000}", "[^\\x00-\\xff]", "(?i)[k-ſ]", "(a|b|c|d|e){1000}", "(?i:[a-zé-ÿ]{500})",
  ]

  static let refused = [
    "(", ")", "(a", "a)", "[", "[a", "[]", "[z-a]", "[a-\\d]", "[[:foo:]]", "*", "*a", "(*a)", "|*", "a**", "a*+",
    "a+?*", "a{2}{3}", "a{3,2}", "a{1001}", "a{999999999}", "(a{40}){30}", "((a{10}){11}){10}", "(?=a)", "(?!a)",
    "(?<=a)", "(?<!a)", "(?>a)", "(?#a)", "(?P=n)", "(?P<>a)", "(?P<é>a)", "(?P<n", "(?x)", "(?i-)", "(?", "\\",
    "(a)\\1", "\\8", "\\Z", "\\G", "\\E", "\\e", "\\c", "\\u0041", "\\é", "\\x", "\\x4", "\\x{}", "\\x{100}",
    "\\x{20AC}", "\\x{10FFFF}", "\\x{110000}", "[a-\\x{100}]", "[\\x{100}-\\x{200}]", "[\\x{20AC}a-z]", "\\400",
    "\\777",
    "[\\400]", "\\p", "\\pX", "\\p{greek}", "\\p{",
  ]

  @Test(arguments: accepted) func isAccepted(_ pattern: String) {
    #expect(RE2Syntax.problem(pattern) == nil)
  }

  @Test(arguments: refused) func isRefused(_ pattern: String) {
    #expect(RE2Syntax.problem(pattern) != nil)
  }

  /// RE2 takes it, but other engines, with which Istio checks, do not: the stricter verdict counts.
  @Test func twoGroupsOfOneNameAreRefused() {
    #expect(RE2Syntax.problem("(?P<n>a)(?P<n>b)") == "duplicate group name: n")
  }

  @Test func aProblemNamesWhatWasWritten() {
    #expect(RE2Syntax.problem("a\\é") == "invalid escape sequence: \\é")
    #expect(RE2Syntax.problem("\\x{100}") == "invalid escape sequence: \\x{100")
    #expect(RE2Syntax.problem("\\p{Klingon}") == "invalid character class range: \\p{Klingon}")
  }

  @Test func whatWouldCompileToTooMuchIsRefused() {
    #expect(RE2Syntax.problem("\\pL{1000}") == nil)
    #expect(RE2Syntax.problem(String(repeating: "\\pL{1000}", count: 5)) == "too large")
    #expect(RE2Syntax.problem(String(repeating: "a", count: 32_000)) == nil)
    #expect(RE2Syntax.problem(String(repeating: "a", count: 40_000)) == "too large")
    #expect(RE2Syntax.problem(String(repeating: "(", count: 300)) == "nested too deeply")
    #expect(RE2Syntax.problem(String(repeating: "(a{9}|", count: 200) + String(repeating: ")", count: 200)) == nil)
  }

  @Test func aLongExpressionCostsItsLength() {
    let open = String(repeating: "[[:a", count: 200_000)
    let clock = ContinuousClock()
    #expect(clock.measure { _ = RE2Syntax.problem(open) } < .seconds(5))
  }

  @Test func classesCountTheirRanges() {
    #expect(RE2Class.all.rangeCount == 1)
    #expect(RE2Class().rangeCount == 0)
    #expect(RE2Class(0x3F...0x40, 0x7F...0x80, 0xFF...0xFF).rangeCount == 3)
    #expect(RE2Class(0x3F...0x40).complement.rangeCount == 2)
    #expect(RE2Class(0x41...0x41, 0xE9...0xE9, 0xD7...0xD7).ignoringCase.rangeCount == 5)
    #expect(RE2Class.unicode("N")?.rangeCount == 4)
  }
}
