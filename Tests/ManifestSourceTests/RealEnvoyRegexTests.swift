import Foundation
import Testing

@testable import ManifestSource

/// Asks the real Envoy whether it takes what is accepted here: an expression that it refuses would hold back every route.
@Suite(.serialized, .timeLimit(.minutes(2))) struct RealEnvoyRegexTests {
  @Test func itTakesEveryExpressionThatIsAccepted() throws {
    let classes = RE2UnicodeClasses.names.sorted().flatMap { ["\\p{\($0)}", "[^\\p{^\($0)}]"] }
    #expect(try Envoy.refusal(of: RE2SyntaxTests.accepted + classes) == nil)
  }

  @Test func itTakesTheLargestProgramsThatAreAccepted() throws {
    let largest = ["a", ".", "\\pL", "(?i)\\w", "[acegikmoqsuwy]", "(?:a?b*)", "(?:a|bc|def)", "\\b"].map { piece in
      var pattern = piece
      while RE2Syntax.problem(pattern + pattern) == nil { pattern += pattern }
      return pattern
    }
    #expect(largest.allSatisfy { $0.utf8.count > 1_000 })
    #expect(try Envoy.refusal(of: largest) == nil)
  }

  @Test func itTakesRandomExpressionsThatAreAccepted() throws {
    let seed: UInt64 = 20_250_301
    var random = RandomExpressions(state: seed)
    var patterns: Set<String> = []
    while patterns.count < 3_000 {
      let pattern = random.pattern(depth: 5)
      if RE2Syntax.problem(pattern) == nil { patterns.insert(pattern) }
    }
    #expect(try Envoy.refusal(of: patterns.sorted()) == nil, "seed \(seed)")
  }

  /// The test itself can fail.
  @Test(arguments: ["\\x{100}", "\\777", "(?P<é>a)", "(?=a)"]) func itRefuses(_ pattern: String) throws {
    #expect(try Envoy.refusal(of: ["a", pattern])?.contains(pattern) == true)
  }
}

private struct RandomExpressions {
  var state: UInt64

  private mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  private static let atoms = [
    "a", "b", "K", "é", "€", ".", "\\d", "\\W", "\\pL", "\\PL", "\\p{Greek}", "\\p{^Lu}", "[a-z]", "[^a-c]", "[é-ü]",
    "[[:alpha:]x]", "[[:^punct:]]", "[\\d\\s_]", "[^\\w]", "\\x41", "\\xff", "\\x{100}", "\\377", "\\400", "\\12",
    "\\b",
    "^", "$", "\\A", "\\C", "\\.", "\\Qa+\\E", "(?i)", "(?s)", "(?-i)", "[a-\\x{e9}]", "[\\x{100}-\\x{200}]", "{", "}",
    "{,2}", "]", "-", "[^\\x00-\\xff]", "", "(", ")", "[", "\\", "?", "[:", "\\p",
  ]
  private static let repetitions = [
    "*", "+", "?", "*?", "??", "{0}", "{3}", "{2,}", "{0,3}", "{17}", "{4,40}", "{99999999999}",
  ]

  mutating func pattern(depth: Int) -> String {
    switch depth == 0 ? 0 : next(7) {
    case 0, 1: return Self.atoms[next(Self.atoms.count)]
    case 2, 3: return (0..<2 + next(3)).map { _ in pattern(depth: depth - 1) }.joined()
    case 4: return ["(", "(?:", "(?i:", "(?P<n\(next(99))>", "(?U:"][next(5)] + pattern(depth: depth - 1) + ")"
    case 5: return "(?:" + (0..<1 + next(4)).map { _ in pattern(depth: depth - 1) }.joined(separator: "|") + ")"
    default: return "(?:" + pattern(depth: depth - 1) + ")" + Self.repetitions[next(Self.repetitions.count)]
    }
  }
}

private enum Envoy {
  struct Missing: Error, CustomStringConvertible {
    var description: String { "there is no Envoy in .venv; `make test` installs it" }
  }

  private static func executable() throws -> URL {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = ProcessInfo.processInfo.environment["ENVOY_BIN"] ?? package.appending(path: ".venv/envoy").path()
    guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing() }
    return URL(filePath: path)
  }

  /// What Envoy says of a configuration whose routes have these expressions; nil if it takes it.
  static func refusal(of patterns: [String]) throws -> String? {
    let routes = patterns.map { pattern -> [String: Any] in
      let engine = ["max_program_size": RE2Syntax.maximumProgramSize]
      let regex: [String: Any] = ["regex": pattern, "google_re2": engine]
      let header: [String: Any] = ["name": "x", "string_match": ["safe_regex": regex]]
      return ["match": ["prefix": "/", "headers": [header]], "direct_response": ["status": 200]]
    }
    // An empty expression is refused where it is read, before RE2.
    .enumerated().filter { !patterns[$0.offset].isEmpty }.map(\.element)
    let filters = "type.googleapis.com/envoy.extensions.filters"
    let connectionManager: [String: Any] = [
      "@type": "\(filters).network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "a",
      "route_config": ["virtual_hosts": [["name": "a", "domains": ["*"], "routes": routes]]],
      "http_filters": [["name": "router", "typed_config": ["@type": "\(filters).http.router.v3.Router"]]],
    ]
    let listener: [String: Any] = [
      "name": "a", "address": ["socket_address": ["address": "127.0.0.1", "port_value": 0]],
      "filter_chains": [["filters": [["name": "http", "typed_config": connectionManager]]]],
    ]
    let bootstrap = try JSONSerialization.data(withJSONObject: ["static_resources": ["listeners": [listener]]])

    let executable = try executable()
    let stem = FileManager.default.temporaryDirectory.appending(path: "weir-regex-\(UUID().uuidString)").path()
    let (file, log) = (stem + ".json", stem + ".log")
    defer { for path in [file, log] { try? FileManager.default.removeItem(atPath: path) } }
    try bootstrap.write(to: URL(filePath: file))
    #expect(FileManager.default.createFile(atPath: log, contents: nil))
    let process = Process()
    process.executableURL = executable
    process.arguments = ["--mode", "validate", "--disable-hot-restart", "-l", "critical", "-c", file]
    let output = try FileHandle(forWritingTo: URL(filePath: log))
    process.standardOutput = output
    process.standardError = output
    try process.run()
    process.waitUntilExit()
    try output.close()
    if process.terminationStatus == 0 { return nil }
    return String(decoding: try Data(contentsOf: URL(filePath: log)), as: UTF8.self)
  }
}
