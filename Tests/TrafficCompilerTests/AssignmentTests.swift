import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

func changedNames(_ old: ResourceTable, _ new: ResourceTable) -> [String] {
  var names: [String] = []
  PersistentTree.changes(from: old.tree, to: new.tree) { names.append(($0 ?? $1)?.name ?? "") }
  return names.sorted()
}

struct AssignmentTests {
  let base = "outbound|80||a.shop.svc.cluster.local"
  let v1 = "outbound|80|v1|a.shop.svc.cluster.local"
  let v2 = "outbound|80|v2|a.shop.svc.cluster.local"

  /// Service `a` with a v1 and a v2 endpoint.
  var shop: [Edit] {
    [
      service("shop/a"), destinationRule("shop/a", host: "a", subsets: versions),
      pod("shop/a-1", ["version": "v1"], node: "n1"), pod("shop/a-2", ["version": "v2"], node: "n2"),
      .upsert(.node(KubernetesNode(name: "n1", region: "r", zone: "z1"))),
      .upsert(.node(KubernetesNode(name: "n2", region: "r", zone: "z2"))),
      slice(
        "shop/a-x", of: "a",
        [
          .init(addresses: ["10.0.0.2"], pod: id("shop/a-2")), .init(addresses: ["10.0.0.1"], pod: id("shop/a-1")),
          .init(addresses: ["10.0.0.3"], zone: "z9"),
        ]),
    ]
  }

  @Test func endpointsByLocalityAndSubset() throws {
    let generation = compiler(shop).generation
    #expect(
      try generation.endpoints(base) == [
        "r/z1": ["10.0.0.1:8080"], "r/z2": ["10.0.0.2:8080"], "/z9": ["10.0.0.3:8080"],
      ])
    #expect(try generation.endpoints(v1) == ["r/z1": ["10.0.0.1:8080"]])
    #expect(try generation.endpoints(v2) == ["r/z2": ["10.0.0.2:8080"]])
    #expect(try generation.rendered(.endpoint, v1)?["clusterName"].text == v1)
  }

  @Test func labelsAndNodesAreFollowed() throws {
    let compiler = compiler(shop)
    compiler.apply([pod("shop/a-2", ["version": "v1"], node: "n2")])
    #expect(try compiler.generation.endpoints(v1) == ["r/z1": ["10.0.0.1:8080"], "r/z2": ["10.0.0.2:8080"]])
    #expect(try compiler.generation.endpoints(v2) == [:])
    #expect(compiler.problems.map(\.description).contains { $0.contains("subset v2: port 80 has no endpoints") })
    compiler.apply([.upsert(.node(KubernetesNode(name: "n2", region: "r", zone: "z1")))])
    #expect(try compiler.generation.endpoints(v1) == ["r/z1": ["10.0.0.1:8080", "10.0.0.2:8080"]])
    compiler.apply([.delete(ObjectKey(.pod, id("shop/a-2")))])
    #expect(try compiler.generation.endpoints(v1) == ["r/z1": ["10.0.0.1:8080"]])
  }

  @Test func duplicatesAcrossSlicesTakeTheBetterState() throws {
    let compiler = compiler([
      service("shop/a"),
      slice("shop/x", of: "a", [.init(addresses: ["10.0.0.1"], state: .draining), .init(addresses: ["10.0.0.2"])]),
      slice("shop/y", of: "a", [.init(addresses: ["10.0.0.1"]), .init(addresses: ["10.0.0.2"], state: .draining)]),
      slice("shop/z", of: "a", [.init(addresses: ["10.0.0.3"], state: .notReady)]),
    ])
    #expect(try compiler.generation.endpoints(base) == ["/": ["10.0.0.1:8080", "10.0.0.2:8080"]])
    #expect(compiler.problems == [])
  }

  @Test func drainingEndpointsServeWhenNothingElseIsThere() throws {
    let compiler = compiler([
      service("shop/a"),
      slice("shop/x", of: "a", [.init(addresses: ["10.0.0.1"], state: .draining), .init(addresses: ["10.0.0.2"])]),
    ])
    #expect(try compiler.generation.endpoints(base) == ["/": ["10.0.0.1:8080 draining", "10.0.0.2:8080"]])
    compiler.apply([slice("shop/x", of: "a", [.init(addresses: ["10.0.0.1"], state: .draining)])])
    #expect(try compiler.generation.endpoints(base) == ["/": ["10.0.0.1:8080"]])
  }

  @Test(arguments: [UInt64](1...5))
  func endpointsAreInTheOrderOfTheirAddresses(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let addresses = (0..<60).map { "10.0.\($0 % 7).\($0)" }
    // Two zones, spread over one to five slices, in any order.
    let count = Int.random(in: 1...5, using: &random)
    var slices: [[EndpointSlice.Endpoint]] = Array(repeating: [], count: count)
    for address in addresses.shuffled(using: &random) {
      slices[Int.random(in: 0..<count, using: &random)].append(
        .init(addresses: [address], zone: address.hasSuffix("1") ? "z1" : "z2"))
    }
    let edits = slices.enumerated().map { slice("shop/s\($0.offset)", of: "a", $0.element) }
    let generation = compiler([service("shop/a")] + edits.shuffled(using: &random)).generation
    let expected = Dictionary(grouping: addresses.sorted()) { $0.hasSuffix("1") ? "/z1" : "/z2" }
    #expect(try generation.endpoints(base) == expected.mapValues { $0.map { "\($0):8080" } })
    // However they came, and in every process: a version must not depend on Swift's hashes, whose seed is random.
    #expect(generation.endpoints[base]?.version == "2328c1bcfc6c3316130d9701eb20b5d3")
  }

  @Test func slicePortsMatchByName() throws {
    let compiler = compiler([
      service("shop/a", [port(80, "", .http)]), service("shop/b", [port(80, "web", .http), port(81, "admin", .http)]),
      slice("shop/a-x", of: "a", ports: [.init(name: "", port: 8000)], [.init(addresses: ["10.0.0.1"])]),
      slice(
        "shop/b-x", of: "b", ports: [.init(name: "admin", port: 9000), .init(name: "web", port: 8000)],
        [.init(addresses: ["10.0.0.2"])]),
    ])
    #expect(try compiler.generation.endpoints("outbound|80||a.shop.svc.cluster.local") == ["/": ["10.0.0.1:8000"]])
    #expect(try compiler.generation.endpoints("outbound|80||b.shop.svc.cluster.local") == ["/": ["10.0.0.2:8000"]])
    #expect(try compiler.generation.endpoints("outbound|81||b.shop.svc.cluster.local") == ["/": ["10.0.0.2:9000"]])
  }

  @Test func anEndpointRunsItsSliceAndItsAssignmentsOnly() {
    let compiler = compiler(
      shop,
      (0..<20).flatMap {
        [service("shop/s\($0)"), slice("shop/s\($0)", of: "s\($0)", [.init(addresses: ["10.1.0.\($0)"])])]
      })
    let before = compiler.generation
    let moved = slice(
      "shop/a-x", of: "a",
      [
        .init(addresses: ["10.0.0.2"], pod: id("shop/a-2")), .init(addresses: ["10.0.0.7"], pod: id("shop/a-1")),
        .init(addresses: ["10.0.0.3"], zone: "z9"),
      ])
    let ran = runs(compiler) { compiler.apply([moved]) }
    #expect(ran == ["assignments[\(v1)]", "assignments[\(base)]", "sliceParts[shop/a-x]"])
    let after = compiler.generation
    #expect(changedNames(before.endpoints, after.endpoints) == [v1, base])
    #expect(before.clusters.tree.isIdentical(to: after.clusters.tree))
    #expect(before.classes[shopClass]?.routes.tree.isIdentical(to: after.classes[shopClass]!.routes.tree) == true)
  }

  @Test func anEmptyAssignmentIsServedWithAWarning() throws {
    let compiler = compiler([service("shop/a")])
    #expect(try compiler.generation.endpoints(base) == [:])
    #expect(compiler.problems.count == 1 && compiler.problemCount == 1)
    #expect(compiler.problems[0].severity == .warning)
    #expect(compiler.problems[0].object == ObjectKey(.service, id("shop/a")))
    compiler.apply([slice("shop/x", of: "a", [.init(addresses: ["10.0.0.1"])])])
    #expect(compiler.problems == [])
  }
}
