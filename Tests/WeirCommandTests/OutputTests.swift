import AdminServer
import Foundation
import Logging
import Synchronization
import Testing
import TrafficModel

@testable import WeirCommand

@Suite struct CheckResultTests {
  private let reviews = ObjectKey(.virtualService, NamespacedName(namespace: "shop", name: "reviews"))

  @Test func problemsComeInTheOrderOfTheFiles() throws {
    let result = CheckResult(problems: [
      Problem(.warning, at: nil, "nowhere"),
      Problem(.error, at: SourceLocation(file: "b.yaml", position: 0, line: 3), object: reviews, field: "spec", "b"),
      Problem(.warning, at: SourceLocation(file: "a.yaml", position: 1, line: 30), object: reviews, "two\nlines"),
      Problem(.error, at: SourceLocation(file: "a.yaml", position: 1, line: 30), object: reviews, "first"),
      Problem(.error, at: SourceLocation(file: "a.yaml"), "not UTF-8"),
    ])
    #expect(
      result.text == """
        a.yaml: error: not UTF-8
        a.yaml:30: error: VirtualService shop/reviews: first
        a.yaml:30: warning: VirtualService shop/reviews: two lines
        b.yaml:3: error: VirtualService shop/reviews: spec: b
        warning: nowhere

        """)
    #expect(result.errors == 3)
    #expect(result.summary == "weir check: 3 errors, 2 warnings")
    let list = try AdminJSON.decode(ProblemList.self, from: try result.json())
    #expect((list.errors, list.warnings, list.problems.count) == (3, 2, 5))
    #expect(list.problems[1].message == "first")
  }

  @Test func nothingWrongSaysSo() throws {
    let result = CheckResult(problems: [])
    #expect((result.text, result.errors, result.summary) == ("", 0, "weir check: no problems"))
    #expect(CheckResult(problems: [Problem(.error, at: nil, "x")]).summary == "weir check: 1 error, 0 warnings")
  }
}

@Suite struct ProxyTableTests {
  private let start = Date(timeIntervalSince1970: 1_700_000_000)

  @Test func oneLineForEachTypeAndTheTroubleBelow() {
    let proxy = ProxyReport(
      nodeID: "reviews-1", namespace: "shop", kind: "sidecar", protocol: .delta, remoteAddress: "127.0.0.1:50000",
      connectedSince: start,
      types: [
        TypeReport(
          type: .cluster, subscribed: 0, wildcard: true, heldVersion: "0123456789abcdef",
          sentVersion: "0123456789abcdef",
          inFlight: false, lag: 0),
        TypeReport(
          type: .route, subscribed: 1, wildcard: false, heldVersion: nil, sentVersion: "fedcba", inFlight: true, lag: 2,
          heldBack: [.init(name: "outbound", reason: "waits for a cluster")],
          lastNack: .init(reason: "bad\u{1b}[31m\nregex", resources: ["outbound"], at: start)),
      ])
    let table = ProxyTable(proxies: [proxy], now: start.addingTimeInterval(192))
    #expect(
      table.text == """
        NODE       NAMESPACE  PROTOCOL  ADDRESS          UP     TYPE     NAMES  HELD          SENT          LAG  STATE
        reviews-1  shop       delta     127.0.0.1:50000  3m12s  cluster  *      0123456789ab  0123456789ab  0    ok
                                                                route    1      -             fedcba        2    waits for ACK
          NACK route at 2023-11-14T22:13:20Z: bad [31m regex (in outbound)
          held back route outbound: waits for a cluster

        """)
  }

  @Test func proxiesAreSortedAndMayBeIdleOrAbsent() {
    let proxies = ["b", "a"].map {
      ProxyReport(
        nodeID: $0, namespace: "default", kind: "sidecar", protocol: .sotw, remoteAddress: "[::1]:1",
        connectedSince: start)
    }
    let lines = ProxyTable(proxies: proxies, now: start.addingTimeInterval(-5)).text.split(separator: "\n")
    #expect(lines.map { $0.prefix(1) } == ["N", "a", "b"])
    #expect(lines[1].contains("0s"))
    #expect(lines[1].hasSuffix("has asked for nothing"))
    #expect(ProxyTable(proxies: [], now: start).text == "no proxies are connected\n")
  }
}

@Suite struct LogfmtHandlerTests {
  struct Broken: Error, CustomStringConvertible { var description: String { "it broke" } }

  private func lines(level: Logger.Level = .trace, _ body: (Logger) -> Void) -> [String] {
    let written = Sink()
    var handler = LogfmtHandler(label: "weir", logLevel: level)
    handler.write = { written.append($0) }
    handler.now = { Date(timeIntervalSince1970: 1_700_000_000.5) }
    body(Logger(label: "weir") { [handler] _ in handler })
    return written.lines
  }

  final class Sink: Sendable {
    private let storage = Mutex<[String]>([])
    func append(_ line: String) { storage.withLock { $0.append(line) } }
    var lines: [String] { storage.withLock { $0 } }
  }

  @Test func anEventIsOneLineOfPairs() {
    let lines = lines { logger in
      var logger = logger
      logger[metadataKey: "stream"] = "7"
      logger.info("Serving", metadata: ["xds": "127.0.0.1:15010", "a": "two words", "empty": ""])
    }
    #expect(
      lines == [
        "time=2023-11-14T22:13:20.500Z level=info logger=weir msg=Serving a=\"two words\" empty=\"\" stream=7 "
          + "xds=127.0.0.1:15010\n"
      ])
  }

  @Test func noTextBeginsALineOfItsOwn() {
    let lines = lines {
      $0.error("Refused", metadata: ["reason": "a\r\nlevel=error \"x\"\\\u{1b}\u{2028}ü", "bad key\n": "1"])
    }
    #expect(
      lines.map { $0.replacing(/^.*msg=/, with: "") } == [
        "Refused bad_key_=1 reason=\"a\\r\\nlevel=error \\\"x\\\"\\\\\\u001b\\u2028ü\"\n"
      ])
  }

  @Test func theLevelHoldsAndErrorsAreShown() {
    let lines = lines(level: .warning) {
      $0.info("No")
      $0.warning("Yes", error: Broken())
    }
    #expect(lines.count == 1)
    #expect(lines.first?.hasSuffix("level=warning logger=weir msg=Yes error=\"it broke\"\n") == true)
  }
}
