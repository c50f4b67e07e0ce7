import TrafficModel
import XDSSnapshot
import Testing

@testable import TrafficCompiler

@Suite struct PortionTests {
  private func name(_ name: String) -> NamespacedName { NamespacedName(namespace: "shop", name: name) }

  private func service(_ name: String, port: UInt16 = 80) -> Edit {
    .upsert(
      .service(
        KubernetesService(
          id: self.name(name), ports: [ServicePort(name: "http", port: port, applicationProtocol: .http)])))
  }

  private func slice(_ name: String, of service: String) -> Edit {
    .upsert(.endpointSlice(EndpointSlice(id: self.name(name), service: service, ports: [], endpoints: [])))
  }

  private func pod(_ name: String) -> Edit { .upsert(.pod(Pod(id: self.name(name), labels: [:]))) }

  private func portions(_ edits: [Edit], servicesEach: Int) -> [[Int]] {
    let portions = Portions(edits, servicesEach: servicesEach, clusterDomain: "cluster.local")
    var start = 0
    return portions.ends.map { end in
      defer { start = end }
      return portions.order[start..<end].map(Int.init)
    }
  }

  @Test func whatBelongsToAServiceGoesWithIt() {
    let edits = [
      service("a"), pod("a-1"), service("b"), pod("b-1"), pod("b-2"), slice("b-x", of: "b"), slice("a-x", of: "a"),
      .upsert(
        .destinationRule(DestinationRule(id: name("of-b"), host: "b.shop.svc.cluster.local"))),
      .upsert(.virtualService(VirtualService(id: name("of-a"), hosts: ["A"], http: []))),
      .upsert(.node(KubernetesNode(name: "n", region: "r", zone: "z"))), service("c"),
    ]
    #expect(portions(edits, servicesEach: 1) == [[9], [0, 1, 6, 8], [2, 3, 4, 5, 7], [10], []])
    #expect(portions(edits, servicesEach: 2) == [[9], [0, 1, 2, 3, 4, 5, 6, 7, 8], [10]])
  }

  @Test func aListOfPodsComesFirst() {
    let edits = [service("a")] + (0..<65).map { pod("a-\($0)") } + [slice("a-x", of: "a")]
    #expect(portions(edits, servicesEach: 10) == [Array(1...65), [0, 66]])
  }

  /// What comes twice, or goes again, in one batch: the last edit counts, whatever portion it is in.
  @Test func theLastEditOfAnObjectCounts() {
    let rule = { (host: String) in
      Edit.upsert(
        .destinationRule(
          DestinationRule(
            id: self.name("rule"), host: host, subsets: [.init(name: "v1", labels: [:])])))
    }
    let edits = [
      service("a"), service("b"), rule("b"), rule("a"), service("c"), .delete(ObjectKey(.service, name("c"))),
      service("b", port: 81),
    ]
    let (whole, inPortions) = (TrafficCompiler(), TrafficCompiler())
    inPortions.largeBatch = 1
    inPortions.servicesInPortion = 1
    let (a, b) = (whole.apply(edits), inPortions.apply(edits))
    #expect(a.clusters.contentHash == b.clusters.contentHash)
    #expect(a.endpoints.contentHash == b.endpoints.contentHash)
    #expect(a.clusters.count == 3)
    #expect(whole.problems == inPortions.problems)
  }
}
