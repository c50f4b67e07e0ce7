import EnvoyHarness
import Testing

extension EndToEnd {
  @Suite("weir serve ends and starts again under load", .serialized)
  struct Restart {
    enum Ending: String, CaseIterable, Sendable {
      case killed, terminated
    }

    @Test(
      "No request fails, and a delta Envoy is sent nothing it has", arguments: XDSProtocol.allCases, Ending.allCases)
    func restart(_ protocol: XDSProtocol, _ ending: Ending) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      var catalog = try await ShopService("catalog", versions: ["v1", "v1"])
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 90, "v2": 10], into: manifests)
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews", "catalog"])) { load in
          try await load.pass(requests: 50)

          // First with nothing changed meanwhile.
          try await Self.end(mesh, ending)
          try await load.pass(requests: 100)
          try await mesh.weir.startAgain()
          try await waitForProxy(mesh)
          try await mesh.expectLastVersions()
          let sent = try await mesh.resourcesSent()
          print("resources sent after a restart (\(ending.rawValue), \(`protocol`)): \(sent)")
          if `protocol` == .delta { #expect(sent.values.allSatisfy { $0 == 0 }, "\(sent)") }

          // Then with one endpoint replaced while it was away: exactly that one assignment.
          try await Self.end(mesh, ending)
          let old = catalog.members.removeFirst()
          let new = try await ShopService.member("catalog-new", version: "v1")
          catalog.members.append(new)
          try catalog.writeEndpoints(into: mesh.manifests)
          try await mesh.weir.startAgain()
          try await load.next("the endpoint that is new since") { $0.backend == "catalog-new" }
          let changed = try await mesh.resourcesSent()
          if `protocol` == .delta {
            #expect(changed == ["cluster": 0, "endpoint": 1, "listener": 0, "route": 0])
          }

          // And it goes on following.
          try reviews.writeWeights(["v1": 10, "v2": 90], into: mesh.manifests)
          try await mesh.waitForWeights(of: "reviews", ["v1": 10, "v2": 90])
          try await load.pass(requests: 50)
          await old.backend.stop()
        }
        print("restarts (\(ending.rawValue), \(`protocol`)): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await reviews.stop()
      await catalog.stop()
    }

    /// Weir comes back to an Envoy that routes to a cluster which is no longer in the manifests. Envoy asks for clusters
    /// a moment before routes, so that cluster must outlive the new route's arrival (make before break).
    @Test(
      "The route moves and the subset it leaves goes while weir is away: no request fails",
      arguments: XDSProtocol.allCases)
    func moveWhileAway(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 100], into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          try await load.pass(requests: 50)
          // Once to a subset that Envoy has already, then to and fro to one that is as new to it as the route.
          for (old, new) in [("v1", "v2"), ("v2", "v1"), ("v1", "v2")] {
            try await Self.end(mesh, .killed)
            try reviews.writeWeights([new: 100], into: mesh.manifests)
            try reviews.writeSubsets([new], into: mesh.manifests)
            try await load.pass(requests: 50)
            try await mesh.weir.startAgain()
            try await load.next("\(new), after \(old)", within: .seconds(40)) { $0.version == new }
            try await mesh.waitForWeights(of: "reviews", [new: 100])
            let cluster = Mesh.cluster("reviews", subset: old)
            try await poll("\(cluster) gone") { try await mesh.envoy.hosts()[cluster] == nil }
            try await load.pass(requests: 50)
            try await mesh.expectLastVersions()
          }
        }
        print("moves while weir was away, \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await reviews.stop()
    }

    static func end(_ mesh: Mesh, _ ending: Ending) async throws {
      switch ending {
      case .killed: #expect(await mesh.weir.kill() == .signal(9))
      case .terminated: #expect(await mesh.weir.terminate() == .code(0))
      }
    }

    /// Envoy tries again after a random pause that grows with each failure.
    private func waitForProxy(_ mesh: Mesh) async throws {
      try await poll("Envoy has come back", within: .seconds(40)) {
        let types = try await mesh.weir.json("/v1/proxies")["proxies"][0]["types"].array
        // Clusters, endpoints, listeners and routes: it has asked for all that it had.
        return types.count == 4
      }
    }
  }
}
