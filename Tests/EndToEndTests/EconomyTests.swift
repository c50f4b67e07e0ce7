import EnvoyHarness
import Testing

extension EndToEnd {
  @Suite("Nothing is sent for nothing", .serialized)
  struct Economy {
    @Test("One endpoint changed sends one assignment; reordering sends nothing", arguments: XDSProtocol.allCases)
    func oneAssignment(_ protocol: XDSProtocol) async throws {
      let services = try await ["catalog", "orders", "reviews"].asyncMap { try await ShopService($0) }
      try await Mesh.with(`protocol`) { manifests in
        for service in services { try service.write(into: manifests) }
        try services[2].writeSubsets(["v1"], into: manifests)
      } _: { mesh async throws in
        try await mesh.expectLastVersions()
        var catalog = services[0]
        let before = try await mesh.resourcesSent()

        // The same objects in another order, in another file layout and with a comment.
        let text = try mesh.manifests.read("catalog-endpoints.yaml")
        let documents = text.components(separatedBy: "---\n")
        #expect(documents.count == 2)
        try mesh.manifests.write(
          "catalog-endpoints.yaml", text: "# turned\n" + documents.reversed().joined(separator: "---\n"))
        let rules = try mesh.manifests.read("reviews-subsets.yaml")
        try mesh.manifests.write("zz.yaml", text: rules)
        try mesh.manifests.remove("reviews-subsets.yaml")

        // A real change after it: when it has arrived, the former has been looked at as well.
        let new = try await ShopService.member("catalog-new", version: "v1")
        catalog.members.append(new)
        try catalog.writeEndpoints(into: mesh.manifests)
        try await mesh.waitForHosts(of: Mesh.cluster("catalog"), "two") { $0.count == 2 }
        try await mesh.expectLastVersions()
        let after = try await mesh.resourcesSent()
        print("sent for a reordering and one endpoint, \(`protocol`): \(before) -> \(after)")
        #expect(after.merging(before) { $0 - $1 } == ["cluster": 0, "endpoint": 1, "listener": 0, "route": 0])
        await new.backend.stop()
      }
      for service in services { await service.stop() }
    }

    @Test("Two processes give the same versions for the same manifests")
    func sameVersions() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 90, "v2": 10], into: manifests)
      } _: { mesh async throws in
        let directory = TemporaryDirectory(prefix: "weir-end-to-end")
        defer { directory.remove() }
        let other = try await WeirProcess.serve(
          manifests: [mesh.manifests.path], state: directory.path + "/state", in: directory)
        // The other one has its own Envoy, of the same class: classes come with the proxies.
        let envoy = try await EnvoyProcess.start(
          bootstrap: other.bootstrap(
            nodeID: "another", namespace: "shop", labels: ["app": "client"], listen: mesh.outbound),
          in: directory, whenReady: false)
        for type in ["cluster", "endpoint", "route", "listener"] {
          let ours = try await mesh.versions(of: type)
          #expect(!ours.isEmpty, "\(type)")
          try await poll("the same \(type) versions in both") {
            try await Mesh.versions(of: type, by: other) == ours
          }
        }
        await envoy.stop()
        await other.terminate()
      }
      await reviews.stop()
    }
  }
}

extension Sequence {
  func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
    var values: [Value] = []
    for element in self { values.append(try await transform(element)) }
    return values
  }
}
