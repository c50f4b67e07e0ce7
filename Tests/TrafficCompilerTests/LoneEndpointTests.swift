import EnvoyAPI
import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

/// Endpoints as resources of their own.
@Suite struct LoneEndpointTests {
  private static let cluster = "outbound|80||reviews.shop.svc.cluster.local"

  private static func compiled(from threshold: Int, _ addresses: [String], draining: Set<String> = [])
    -> TrafficCompiler
  {
    let compiler = TrafficCompiler(loneEndpointsFrom: threshold, checksReads: true)
    compiler.addClass(shopClass)
    compiler.apply([service("shop/reviews"), endpoints(addresses, draining: draining)])
    return compiler
  }

  private static func endpoints(_ addresses: [String], draining: Set<String> = []) -> Edit {
    slice(
      "shop/reviews-1", of: "reviews",
      addresses.map { .init(addresses: [$0], state: draining.contains($0) ? .draining : .ready) })
  }

  @Test func anAssignmentNamesItsCollectionFromTheThresholdOn() throws {
    let few = try #require(Self.compiled(from: 3, ["10.0.0.1", "10.0.0.2"]).generation.loneEndpoints)
    #expect(few.endpoints.count == 0)
    #expect(few.assignments[Self.cluster]?.references == [])

    let generation = Self.compiled(from: 2, ["10.0.0.1", "10.0.0.2"]).generation
    let many = try #require(generation.loneEndpoints)
    let collection = try #require(many.assignments[Self.cluster]?.references.first)
    #expect(collection.hasPrefix("xdstp://weir/envoy.config.endpoint.v3.LbEndpoint/") && collection.hasSuffix("/*"))
    let names = many.endpoints.keys(referencing: collection).sorted()
    #expect(names == ["10.0.0.1_8080", "10.0.0.2_8080"].map { collection.dropLast() + $0 })
    let body = try #require(try generation.rendered(.loneEndpoint, names[1]))
    #expect(body["endpoint.address.socketAddress.address"].text == "10.0.0.2")
    #expect(body["endpoint.address.socketAddress.portValue"].number == 8080)
    // Whoever cannot take them so has them in the assignment.
    #expect(try generation.endpoints(Self.cluster) == ["/": ["10.0.0.1:8080", "10.0.0.2:8080"]])
  }

  @Test func oneChangeIsOneEndpoint() throws {
    let compiler = Self.compiled(from: 2, ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    func changes(_ edit: Edit) throws -> (endpoints: [String], assignments: Int) {
      let old = try #require(compiler.generation.loneEndpoints)
      let new = try #require(compiler.apply([edit]).loneEndpoints)
      var endpoints: [String] = []
      PersistentTree.changes(from: old.endpoints.tree, to: new.endpoints.tree) {
        let name = ($1 ?? $0)?.name.split(separator: "/").last ?? ""
        endpoints.append("\($1 == nil ? "-" : "+")\(name)")
      }
      var assignments = 0
      PersistentTree.changes(from: old.assignments.tree, to: new.assignments.tree) { _, _ in assignments += 1 }
      return (endpoints.sorted(), assignments)
    }
    let three = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    #expect(try changes(Self.endpoints(three, draining: ["10.0.0.2"])) == (["+10.0.0.2_8080"], 0))
    #expect(try changes(Self.endpoints(["10.0.0.1", "10.0.0.3"])) == (["-10.0.0.2_8080"], 0))
    #expect(try changes(Self.endpoints(["10.0.0.1", "fd00::1"])) == (["+fd00--1_8080", "-10.0.0.3_8080"], 0))
    // Too few now: the assignment has them itself.
    #expect(try changes(Self.endpoints(["10.0.0.1"])) == (["-10.0.0.1_8080", "-fd00--1_8080"], 1))
  }

  /// One that is no IP address would terminate Envoy, where in an assignment it is refused.
  @Test func anAddressThatEnvoyDoesNotReadKeepsAllInTheAssignment() throws {
    for bad in ["not-an-ip", "10.0.0.256", "10.0.0", "fd00::1%eth0", ""] {
      let lone = try #require(Self.compiled(from: 1, ["10.0.0.1", bad]).generation.loneEndpoints)
      #expect(lone.endpoints.count == 0, "\(bad)")
      #expect(lone.assignments[Self.cluster]?.references == [], "\(bad)")
      #expect(LbEndpoint(address: bad, port: 80, health: .healthy).encodedAlone() == nil, "\(bad)")
    }
  }

  /// The same address in two clusters is two resources.
  @Test func clustersHaveCollectionsOfTheirOwn() throws {
    let compiler = Self.compiled(from: 1, ["10.0.0.1"])
    compiler.apply([
      service("shop/other"), slice("shop/other-1", of: "other", [.init(addresses: ["10.0.0.1"], state: .ready)]),
    ])
    let lone = try #require(compiler.generation.loneEndpoints)
    #expect(lone.endpoints.count == 2)
    compiler.apply([.delete(ObjectKey(.service, id("shop/other")))])
    #expect(compiler.generation.loneEndpoints?.endpoints.count == 1)
  }
}
