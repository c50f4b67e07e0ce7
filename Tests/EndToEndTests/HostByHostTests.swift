import EnvoyHarness
import Testing

extension EndToEnd {
  /// VHDS through a real Envoy.
  @Suite("Virtual hosts one by one", .serialized)
  struct HostByHost {
    private static let on = ["--vhds", "on"]
    private static let types = ["cluster", "endpoint", "listener", "route", "virtual_host"]

    @Test("Changes under load cost no request, and one changed host sends one host")
    func changes() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      let catalog = try await ShopService("catalog")
      try await Mesh.with(.delta, flags: Self.on) { manifests in
        for service in [reviews, catalog] { try service.write(into: manifests) }
        try reviews.writeSubsets(["v1"], into: manifests)
        try reviews.writeWeights(["v1": 100], into: manifests)
      } _: { mesh async throws in
        #expect(try await mesh.envoy.routeConfiguration("outbound") == .null)
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews", "catalog"])) { load in
          for change in 1...40 {
            // To and fro to a subset that is as new to Envoy as the route to it, and gone once it is left.
            let (old, new) = change.isMultiple(of: 2) ? ("v2", "v1") : ("v1", "v2")
            try reviews.writeSubsets([old, new], into: mesh.manifests)
            try reviews.writeWeights([old: 50, new: 50], into: mesh.manifests)
            try await mesh.waitForWeights(of: "reviews", [old: 50, new: 50])
            try reviews.writeWeights([new: 100], into: mesh.manifests)
            try reviews.writeSubsets([new], into: mesh.manifests)
            try await mesh.waitForWeights(of: "reviews", [new: 100])
            try await load.pass(requests: 8)
          }
          try await mesh.waitUntilAcknowledged(types: 5)
          let before = try await mesh.resourcesSent(of: Self.types)
          try reviews.writeSubsets(["v1", "v2"], into: mesh.manifests)
          try await mesh.waitForHosts(of: Mesh.cluster("reviews", subset: "v2"), "one") { $0.count == 1 }
          try reviews.writeWeights(["v1": 70, "v2": 30], into: mesh.manifests)
          try await mesh.waitForWeights(of: "reviews", ["v1": 70, "v2": 30])
          try await mesh.waitUntilAcknowledged(types: 5)
          let sent = try await mesh.resourcesSent(of: Self.types).merging(before) { $0 - $1 }
          print("sent for one subset and one weight: \(sent)")
          #expect(sent == ["cluster": 1, "endpoint": 1, "listener": 0, "route": 0, "virtual_host": 1])

          // A service comes, and goes.
          let orders = try await ShopService("orders")
          try orders.write(into: mesh.manifests)
          try await poll("orders in Envoy") { try await mesh.virtualHost("orders") != .null }
          #expect(try await HTTPCall.get(mesh.outbound, "/", host: "orders").status == 200)
          try mesh.manifests.remove("orders-service.yaml")
          try await poll("no orders in Envoy") { try await mesh.virtualHost("orders") == .null }
          #expect(try await HTTPCall.get(mesh.outbound, "/", host: "orders").status == 404)
          await orders.stop()
        }
        print("virtual hosts one by one: \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      for service in [reviews, catalog] { await service.stop() }
    }

    @Test("One changed host among 1,000 is one host and less than 1 KiB")
    func oneAmongMany() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta, namespace: "elsewhere") { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 60, "v2": 40], into: manifests)
        // Enough for the default of --vhds.
        try manifests.write("many.yaml", (0..<1000).map { ServiceManifest("service-\($0)", namespace: "shop") })
      } _: { mesh async throws in
        try await mesh.waitUntilAcknowledged(types: 5)
        let before = try await mesh.weir.metrics()
        try reviews.writeWeights(["v1": 50, "v2": 50], into: mesh.manifests)
        try await mesh.waitForWeights(of: "reviews", ["v1": 50, "v2": 50])
        try await mesh.waitUntilAcknowledged(types: 5)
        let after = try await mesh.weir.metrics()
        func sent(_ what: String, _ labels: [String: String] = [:]) -> Int {
          Int(after.sum("weir_xds_\(what)_sent_total", labels) - before.sum("weir_xds_\(what)_sent_total", labels))
        }
        print("one of 1,001 hosts changed: \(sent("resources")) resources, \(sent("bytes")) bytes")
        #expect(sent("resources") == 1)
        #expect(sent("resources", ["type": "virtual_host"]) == 1)
        #expect(sent("bytes") <= 1024)
      }
      await reviews.stop()
    }

    @Test("A restart sends nothing that is held, and what changed meanwhile", arguments: Restart.Ending.allCases)
    func restart(_ ending: Restart.Ending) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta, flags: Self.on) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1"], into: manifests)
        try reviews.writeWeights(["v1": 100], into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          try await Restart.end(mesh, ending)
          try await load.pass(requests: 50)
          // The proxy keeps its form, whatever the number of hosts is.
          try await mesh.weir.startAgain(flags: ["--vhds", "auto"])
          try await mesh.waitUntilAcknowledged(types: 5)
          #expect(try await mesh.resourcesSent(of: Self.types).values.allSatisfy { $0 == 0 })

          // The route moves to a subset that is new, and the one that it leaves goes.
          try await Restart.end(mesh, ending)
          try reviews.writeSubsets(["v2"], into: mesh.manifests)
          try reviews.writeWeights(["v2": 100], into: mesh.manifests)
          try await mesh.weir.startAgain()
          try await load.next("v2") { $0.version == "v2" }
          try await mesh.waitUntilAcknowledged(types: 5)
          let sent = try await mesh.resourcesSent(of: Self.types)
          #expect(sent == ["cluster": 1, "endpoint": 1, "listener": 0, "route": 0, "virtual_host": 1])
        }
        print("virtual hosts one by one, restarts (\(ending)): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await reviews.stop()
    }

    @Test("A live proxy goes from one form to the other and back, and no request fails")
    func otherForm() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta, flags: ["--vhds", "off"]) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 100], into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          for (round, form) in ["on", "off", "on", "auto"].enumerated() {
            try await Restart.end(mesh, .killed)
            try await mesh.weir.startAgain(flags: ["--vhds", form])
            let table = form == "off" ? "outbound" : "outbound-vhds"
            try await poll("a listener with \(table)") {
              let dump = try await mesh.envoy.configurationDump()
              return dump["configs"].array.flatMap { $0["dynamic_listeners"].array }.contains {
                $0["name"].string == "outbound" && $0["warming_state"] == .null
                  && $0["active_state"]["listener"]["filter_chains"].array.first?["filters"].array.first?[
                    "typed_config"]["rds"]["route_config_name"].string == table
              }
            }
            let version = round.isMultiple(of: 2) ? "v2" : "v1"
            try reviews.writeWeights([version: 100], into: mesh.manifests)
            try await load.next(version) { $0.version == version }
            try await load.pass(requests: 100)
          }
        }
        print("from one form to the other: \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await reviews.stop()
    }

    /// Nothing to route to is an answer, too: Envoy waits for the first hosts before it opens the listener.
    @Test("A proxy without any host gets ready, and takes the first one")
    func empty() async throws {
      let reviews = try await ShopService("reviews")
      try await Mesh.with(.delta, flags: Self.on) { _ in
      } _: { mesh async throws in
        #expect(try await HTTPCall.get(mesh.outbound, "/", host: "reviews").status == 404)
        try reviews.write(into: mesh.manifests)
        try await poll("reviews answers") {
          try await HTTPCall.get(mesh.outbound, "/", host: "reviews").status == 200
        }
      }
      await reviews.stop()
    }
  }
}
