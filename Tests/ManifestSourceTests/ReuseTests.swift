import Testing
import TrafficModel

@testable import ManifestSource

/// A new version of a file, decoded with the help of the last, gives what it gives without.
@Suite struct ReuseTests {
  private static let pieces = [
    Sample.service("a"), Sample.service("b", ports: "[{port: 0}]"), "kind: [x\n", "# nothing\n",
    Sample.route("route: [{destination: {host: a}}], mirror: {}"), "apiVersion: apps/v1\nkind: Deployment\n",
    "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Node, metadata: {name: n}}, {apiVersion: v1}]\n",
    "a: \0\n", Sample.rule("{host: a}"),
  ]

  private func describe(_ content: SourceUpdate.Content) -> [String] {
    guard case .documents(let documents, let isComplete, let problems) = content else { return ["removed"] }
    return ["\(isComplete)"] + problems.map { "\($0.location!) \($0)" }
      + documents.map { "\($0.location) \($0.key) \($0.destinationPlaces) \($0.problems) \($0.object == nil)" }
  }

  @Test func reusedDocumentsAreMovedToTheirNewPlaces() {
    var state: UInt64 = 42
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var known: [String: DecodedChunk] = [:]
    for round in 0..<200 {
      let text = (0..<(1 + next(8))).map { _ in Self.pieces[next(Self.pieces.count)] }.joined(separator: "---\n")
      let reused = ManifestDecoder.decode(Array(text.utf8), file: "f.yaml", reusing: known)
      known = reused.chunks
      let fresh = ManifestDecoder.decode(Array(text.utf8), file: "f.yaml")
      #expect(describe(reused.content) == describe(fresh), "round \(round)")
    }
  }
}
