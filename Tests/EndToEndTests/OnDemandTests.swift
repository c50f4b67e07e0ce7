import EnvoyHarness
import Testing

extension EndToEnd {
  /// ODCDS through a real Envoy.
  @Suite("Clusters on demand", .serialized)
  struct OnDemand {
    private func clusters(_ mesh: Mesh) async throws -> Set<String> {
      // The cluster of the control plane itself is there from the start.
      Set(try await mesh.envoy.hosts().keys).subtracting(["xds"])
    }

    @Test("A cluster comes with the first request to it, and changes under load cost no request")
    func changes() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      var catalog = try await ShopService("catalog")
      let orders = try await ShopService("orders")
      try await Mesh.with(.delta, flags: ["--on-demand"]) { manifests in
        for service in [reviews, catalog, orders] { try service.write(into: manifests) }
        try reviews.writeSubsets(["v1"], into: manifests)
        try reviews.writeWeights(["v1": 100], into: manifests)
      } _: { mesh async throws in
        #expect(try await clusters(mesh) == [])
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews", "catalog"])) { load in
          try await load.pass(requests: 20)
          #expect(try await clusters(mesh) == [Mesh.cluster("reviews", subset: "v1"), Mesh.cluster("catalog")])
          let first = try await mesh.resourcesSent()
          print("sent to a proxy that talks to two of three services: \(first)")
          #expect(first["cluster"] == 2 && first["endpoint"] == 2)

          // To and fro between subsets, each new with the route to it, and gone once it is left.
          for change in 1...20 {
            let (old, new) = change.isMultiple(of: 2) ? ("v2", "v1") : ("v1", "v2")
            try reviews.writeSubsets([old, new], into: mesh.manifests)
            try reviews.writeWeights([old: 50, new: 50], into: mesh.manifests)
            try await load.next(new) { $0.version == new }
            try reviews.writeWeights([new: 100], into: mesh.manifests)
            try reviews.writeSubsets([new], into: mesh.manifests)
            try await mesh.waitForWeights(of: "reviews", [new: 100])
            try await load.pass(requests: 8)
          }
          let new = try await ShopService.member("catalog-new", version: "v1")
          catalog.members.append(new)
          let sent = try await mesh.resourcesSent {
            try catalog.writeEndpoints(into: mesh.manifests)
            try await load.next("the new endpoint") { $0.backend == "catalog-new" }
          }
          #expect(sent == ["endpoint": 1], "one item for one item")
          // Nobody has asked for orders.
          #expect(try await clusters(mesh).contains(Mesh.cluster("orders")) == false)
          #expect(try await HTTPCall.get(mesh.outbound, "/", host: "orders").status == 200)
          #expect(try await clusters(mesh).contains(Mesh.cluster("orders")))
        }
        print("clusters on demand: \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      for service in [reviews, catalog, orders] { await service.stop() }
    }

    @Test("A restart sends nothing that is held, and no request fails", arguments: Restart.Ending.allCases)
    func restart(_ ending: Restart.Ending) async throws {
      let reviews = try await ShopService("reviews")
      let orders = try await ShopService("orders")
      try await Mesh.with(.delta, flags: ["--on-demand"]) { manifests in
        for service in [reviews, orders] { try service.write(into: manifests) }
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          try await load.pass(requests: 20)
          try await Restart.end(mesh, ending)
          try await load.pass(requests: 50)
          try await mesh.weir.startAgain()
          try await mesh.waitUntilAcknowledged(types: 4)
          #expect(try await mesh.resourcesSent().values.allSatisfy { $0 == 0 })
          #expect(try await HTTPCall.get(mesh.outbound, "/", host: "orders").status == 200)
          #expect(try await mesh.resourcesSent()["cluster"] == 1)
        }
        print("clusters on demand, restarts (\(ending)): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      for service in [reviews, orders] { await service.stop() }
    }
  }
}
