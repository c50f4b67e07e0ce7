import AdminServer
import Foundation
import Testing

@testable import WeirCommand

@Suite struct ConvergenceTextTests {
  @Test func whoLagsIsPrintedWithItsReasons() {
    let report = ConvergenceReport(
      generation: 7, newestGeneration: 8, scope: "all", live: false, total: 3, liveCount: 1,
      proxies: [
        .init(
          nodeID: "a", namespace: "shop", protocol: .delta, type: nil, remoteAddress: "127.0.0.1:1", state: "live",
          confirmedGeneration: 8, reasons: [], refusals: [], disconnectedSince: nil),
        .init(
          nodeID: "b\u{1b}[31m", namespace: "shop", protocol: .sotw, type: .route, remoteAddress: "127.0.0.1:2",
          state: "refused", confirmedGeneration: 6, reasons: ["route outbound: refused"],
          refusals: [
            .init(
              type: .route, resource: "outbound", parts: ["reviews"], reason: "no", generation: 7,
              objects: [.init(kind: "VirtualService", name: "shop/reviews", place: "shop.yaml:3")])
          ], disconnectedSince: nil),
        .init(
          nodeID: "c", namespace: "shop", protocol: .delta, type: nil, remoteAddress: "127.0.0.1:3",
          state: "disconnected", confirmedGeneration: 6, reasons: [], refusals: [],
          disconnectedSince: Date(timeIntervalSince1970: 1_700_000_000)),
      ])
    #expect(
      LiveText(report).text == """
        generation 7 is not live: 1 of 3 proxies
        b [31m 127.0.0.1:2: refused (route stream)
          route outbound: refused
          NACK route outbound (reviews): no; made of VirtualService shop/reviews in shop.yaml:3
        c 127.0.0.1:3: disconnected since 2023-11-14T22:13:20Z

        """)
  }

  @Test func aGenerationThatIsNotThereYetIsSaid() {
    let report = ConvergenceReport(
      generation: 9, newestGeneration: 8, scope: "all", live: false, total: 0, liveCount: 0, proxies: [])
    #expect(LiveText(report).text == "generation 9 is not live: no proxy is connected\nthe newest is 8\n")
  }

  @Test func whoCanStillPickItIsPrinted() {
    let report = TerminationReport(
      safe: false, served: ["outbound|80||a.shop.svc.cluster.local"],
      proxies: [
        .init(nodeID: "a", remoteAddress: "127.0.0.1:1", resources: ["x", "y"], disconnectedSince: nil),
        .init(
          nodeID: "b", remoteAddress: "127.0.0.1:2", resources: [],
          disconnectedSince: Date(timeIntervalSince1970: 1_700_000_000)),
      ], total: 2)
    #expect(
      TerminationText(report).text == """
        not safe: 2 of 2 proxies can pick it
        it is served in outbound|80||a.shop.svc.cluster.local
        a 127.0.0.1:1: x, y
        b 127.0.0.1:2: not known, not connected since 2023-11-14T22:13:20Z

        """)
    #expect(
      TerminationText(.init(safe: true, served: [], proxies: [], total: 1)).text
        == "safe: none of 1 proxy can pick it\n")
  }

  @Test func timesAreReadAsTheServerReadsThem() throws {
    #expect(try FlagValue.wait("5") == .seconds(5))
    #expect(try FlagValue.wait("0.5s") == .milliseconds(500))
    #expect(try FlagValue.wait("500ms") == .milliseconds(500))
    #expect(try FlagValue.wait("10m") == .seconds(600))
    for text in ["", "s", "-1", "601", "1h", "x", "nan", "1e1", "0x5", "+1", "."] {
      #expect(throws: (any Error).self, "\(text)") { try FlagValue.wait(text) }
    }
  }
}
