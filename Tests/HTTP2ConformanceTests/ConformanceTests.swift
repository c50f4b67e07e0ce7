import Synchronization
import Testing

/// h2spec's cases against a real server on a socket: what RFC 9113 (and RFC 7541) require of it, one by one.
@Suite(.timeLimit(.minutes(2))) struct ConformanceTests {
  @Test(arguments: ConformanceCase.all)
  func conforms(to requirement: ConformanceCase) async throws {
    try await withConformanceServer { server in
      let outcome: String
      if let deviation = requirement.deviation {
        await withKnownIssue("\(requirement.testDescription): \(deviation)") {
          _ = try await requirement.run(port: server.port)
        }
        outcome = "KNOWN DEVIATION: \(deviation)"
      } else {
        outcome = try await requirement.run(port: server.port)
      }
      Ledger.shared.note(requirement, outcome)
      // Whatever it was, it is over.
      try await server.becomesEmpty()
    }
  }

  /// Numbers are unique, and each group has as many cases as h2spec's has.
  @Test func theListIsWhole() {
    func count(_ prefix: String) -> Int { ConformanceCase.all.filter { $0.id.hasPrefix(prefix) }.count }
    #expect(Set(ConformanceCase.all.map(\.id)).count == ConformanceCase.all.count)
    #expect(count("generic/") == 44)
    #expect(count("http2/") == 96)
    #expect(count("hpack/") == 8)
  }

  /// The tests' own HPACK, against the examples of RFC 7541, C.1 and C.4.1.
  @Test func theEncoderOfTheseTestsIsRight() {
    #expect(HPACK.integer(1337, prefix: 5) == [0x1f, 0x9a, 0x0a])
    let coded: [UInt8] = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]
    #expect(Huffman.encode("www.example.com") == coded)
    #expect(Huffman.decode(coded[...]) == "www.example.com")
  }
}

/// Collects the outcomes, and prints the list when the last case has passed.
private final class Ledger: Sendable {
  static let shared = Ledger()
  private let outcomes = Mutex<[String: String]>([:])

  func note(_ requirement: ConformanceCase, _ outcome: String) {
    let whole = outcomes.withLock { outcomes in
      outcomes[requirement.id] = outcome
      return outcomes.count == ConformanceCase.all.count ? outcomes : nil
    }
    guard let whole else { return }
    let deviations = ConformanceCase.all.count { $0.deviation != nil }
    var text = "HTTP/2 conformance (cases of h2spec; RFC 9113, RFC 7541)\n"
    for requirement in ConformanceCase.all {
      text += "  \(requirement.id) \(requirement.title) → \(whole[requirement.id] ?? "")\n"
    }
    text += "HTTP/2 conformance: \(whole.count) cases, \(whole.count - deviations) pass, \(deviations) known deviations"
    print(text)
  }
}
