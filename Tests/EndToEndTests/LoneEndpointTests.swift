import EnvoyHarness
import Testing

extension EndToEnd {
  /// LEDS through a real Envoy.
  @Suite("Endpoints one by one", .serialized)
  struct LoneEndpoints {
    private static let flags = ["--leds-threshold", "2"]
    private static let types = ["cluster", "endpoint", "listener", "route", "lb_endpoint"]
    private static let catalog = Mesh.cluster("catalog")

    private func members(_ mesh: Mesh, _ service: ShopService) async throws {
      let addresses = Set(service.members.map(\.backend.address))
      try await mesh.waitForHosts(of: Self.catalog, "\(addresses.sorted())") { Set($0.map(\.address)) == addresses }
    }

    @Test("Changes under load cost no request, and one changed endpoint sends one endpoint")
    func changes() async throws {
      var catalog = try await ShopService("catalog", versions: ["v1", "v1", "v1"])
      try await Mesh.with(.delta, flags: Self.flags) { manifests in
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["catalog"])) { load in
          for replacement in 1...40 {
            let old = catalog.members.removeFirst()
            let new = try await ShopService.member("catalog-\(replacement)", version: "v1")
            catalog.members.append(new)
            var both = catalog
            both.members.append(old)
            for state in [EndpointSliceManifest.Endpoint.State.ready, .draining] {
              both.members[both.members.count - 1].endpoint.state = state
              try both.writeEndpoints(into: mesh.manifests)
              if state == .ready { try await load.next("\(new.pod)") { $0.backend == new.pod } }
            }
            try catalog.writeEndpoints(into: mesh.manifests)
            try await members(mesh, catalog)
            try await load.pass(requests: 4)
            let before = old.backend.requests
            try await load.pass(requests: 4)
            #expect(old.backend.requests == before, "\(old.pod) is gone and still gets requests")
            await old.backend.stop()
          }
          try await mesh.waitUntilAcknowledged(types: 5)
          let before = try await mesh.resourcesSent(of: Self.types)
          let new = try await ShopService.member("catalog-last", version: "v1")
          catalog.members.append(new)
          try catalog.writeEndpoints(into: mesh.manifests)
          try await load.next("the last") { $0.backend == "catalog-last" }
          try await mesh.waitUntilAcknowledged(types: 5)
          let sent = try await mesh.resourcesSent(of: Self.types).merging(before) { $0 - $1 }
          print("sent for one endpoint: \(sent)")
          #expect(sent == ["cluster": 0, "endpoint": 0, "listener": 0, "route": 0, "lb_endpoint": 1])
        }
        print("endpoints one by one: \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await catalog.stop()
    }

    @Test("One changed endpoint among 5,000 is one endpoint and less than 1 KiB")
    func oneAmongMany() async throws {
      func slice(_ draining: Int?) -> EndpointSliceManifest {
        EndpointSliceManifest(
          "many-1", namespace: "shop", service: "many",
          endpoints: (0..<5000).map {
            .init("10.1.\($0 / 250).\($0 % 250 + 1)", state: $0 == draining ? .draining : .ready)
          })
      }
      try await Mesh.with(.delta, flags: ["--leds-threshold", "1000"]) { manifests in
        try manifests.write("many-service.yaml", [ServiceManifest("many", namespace: "shop")])
        try manifests.write("many-endpoints.yaml", [slice(nil)])
      } _: { mesh async throws in
        let cluster = Mesh.cluster("many")
        try await mesh.waitForHosts(of: cluster, "5,000") { $0.count == 5000 }
        try await mesh.waitUntilAcknowledged(types: 5)
        let before = try await mesh.weir.metrics()
        try mesh.manifests.write("many-endpoints.yaml", [slice(1234)])
        try await mesh.waitForHosts(of: cluster, "one that drains") { hosts in
          let draining = hosts.filter { $0.health == "DRAINING" }
          return hosts.count == 5000 && draining.count == 1 && draining[0].address.hasPrefix("10.1.4.235:")
        }
        try await mesh.waitUntilAcknowledged(types: 5)
        let after = try await mesh.weir.metrics()
        func sent(_ what: String) -> Int {
          Int(after.sum("weir_xds_\(what)_sent_total") - before.sum("weir_xds_\(what)_sent_total"))
        }
        print("one of 5,000 endpoints changed: \(sent("resources")) resources, \(sent("bytes")) bytes")
        #expect(sent("resources") == 1)
        #expect(sent("bytes") <= 1024)
      }
    }

    /// Envoy does not say which endpoints it has of a collection, and would go on using those that went meanwhile.
    @Test("What went while weir was away is gone after it, and no request fails", arguments: Restart.Ending.allCases)
    func restart(_ ending: Restart.Ending) async throws {
      var catalog = try await ShopService("catalog", versions: ["v1", "v1", "v1"])
      try await Mesh.with(.delta, flags: Self.flags) { manifests in
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["catalog"])) { load in
          for round in 0..<3 {
            try await Restart.end(mesh, ending)
            let old = catalog.members.removeFirst()
            let away = try await ShopService.member("catalog-away-\(round)", version: "v1")
            catalog.members.append(away)
            try catalog.writeEndpoints(into: mesh.manifests)
            try await mesh.weir.startAgain()
            try await load.next("\(away.pod)") { $0.backend == away.pod }
            try await members(mesh, catalog)
            try await mesh.waitUntilAcknowledged(types: 5)
            await old.backend.stop()
            #expect(try await mesh.resourcesSent(of: Self.types)["endpoint"] == 1)
            #expect(try await mesh.resourcesSent(of: Self.types)["lb_endpoint"] == 0)

            // With the next change it takes them one by one again.
            let new = try await ShopService.member("catalog-new-\(round)", version: "v1")
            catalog.members.append(new)
            try catalog.writeEndpoints(into: mesh.manifests)
            try await members(mesh, catalog)
            try await mesh.waitUntilAcknowledged(types: 5)
            let all = try await mesh.resourcesSent(of: Self.types)
            #expect(all["endpoint"] == 2 && all["lb_endpoint"] == catalog.members.count, "\(all)")
            let last = catalog.members.removeFirst()
            try catalog.writeEndpoints(into: mesh.manifests)
            try await members(mesh, catalog)
            await last.backend.stop()
            try await mesh.waitUntilAcknowledged(types: 5)
            #expect(try await mesh.resourcesSent(of: Self.types) == all)
            try await load.pass(requests: 20)
          }
        }
        print("endpoints one by one, restarts (\(ending)): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await catalog.stop()
    }

    @Test("A service that grows over the threshold and shrinks under it loses no request")
    func threshold() async throws {
      let all = try await ShopService("catalog", versions: ["v1", "v1", "v1", "v1"])
      var catalog = all
      catalog.members = Array(all.members.prefix(1))
      try await Mesh.with(.delta, flags: ["--leds-threshold", "3"]) { manifests in
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["catalog"])) { load in
          for count in [2, 3, 4, 3, 2, 1, 4, 1, 3, 1] {
            catalog.members = Array(all.members.prefix(count))
            try catalog.writeEndpoints(into: mesh.manifests)
            try await members(mesh, catalog)
            try await load.pass(requests: 30)
          }
          catalog.members = Array(all.members.suffix(3))
          try catalog.writeEndpoints(into: mesh.manifests)
          try await members(mesh, catalog)
        }
        print("over and under the threshold: \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await all.stop()
    }

    /// A cluster that changes is warmed anew, and Envoy does not ask for its collections again.
    @Test("A changed cluster and a route to a new one lose no request and do not wait")
    func clusters() async throws {
      let catalog = try await ShopService("catalog", versions: ["v1", "v1", "v2", "v2"])
      try await Mesh.with(.delta, flags: Self.flags) { manifests in
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["catalog"])) { load in
          for change in 1...6 {
            let version = change.isMultiple(of: 2) ? "v1" : "v2"
            let policy = change.isMultiple(of: 2) ? "ROUND_ROBIN" : "RANDOM"
            let rule = DestinationRuleManifest("catalog", namespace: "shop", host: "catalog", versions: [version])
            try mesh.manifests.write(
              "catalog-subsets.yaml",
              text: rule.yaml.replacing(
                "spec:\n", with: "spec:\n  trafficPolicy: {loadBalancer: {simple: \(policy)}}\n"))
            try catalog.writeWeights([version == "v1" ? "v1" : "v2": 100], into: mesh.manifests)
            try await load.next(version) { $0.version == version }
            try await poll("\(policy)", within: .seconds(10)) {
              let held = try await mesh.envoy.configuration()
              return held.unfinished.isEmpty
                && held.clusters[Self.catalog]?.body["lbPolicy"].string ?? "ROUND_ROBIN" == policy
            }
            try await mesh.waitUntilAcknowledged(types: 5)
            try await load.pass(requests: 20)
          }
        }
        print("clusters of endpoints one by one: \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await catalog.stop()
    }
  }
}
