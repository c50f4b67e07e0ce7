import EnvoyHarness
import Testing

extension EndToEnd {
  @Suite("Changes under constant load", .serialized)
  struct ChangesUnderLoad {
    @Test("100 weight changes cost no request", arguments: XDSProtocol.allCases)
    func weights(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 100, "v2": 0], into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          // 70 changes, each awaited in Envoy; at both ends all requests must go to one side.
          for change in 1...70 {
            let second = change % 10 == 0 ? 100 : change % 10 == 5 ? 0 : (change * 37) % 101
            try reviews.writeWeights(["v1": 100 - second, "v2": second], into: mesh.manifests)
            try await mesh.waitForWeights(of: "reviews", ["v1": 100 - second, "v2": second])
            guard second == 0 || second == 100 else { continue }
            try await load.pass(requests: 8)
            let before = try await load.report().versions["reviews"] ?? [:]
            try await load.pass(requests: 20)
            let after = try await load.report().versions["reviews"] ?? [:]
            let away = second == 0 ? "v2" : "v1"
            #expect(before[away] == after[away], "requests to \(away), which has weight 0")
          }
          // 30 more without a pause between them: what counts is that the last one is where it ends.
          for change in 71...100 {
            try reviews.writeWeights(["v1": change - 70, "v2": 170 - change], into: mesh.manifests)
          }
          try await mesh.waitForWeights(of: "reviews", ["v1": 30, "v2": 70])
          try await load.pass(requests: 100)
        }
        print("100 weight changes, \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
        try await mesh.expectLastVersions()
      }
      await reviews.stop()
    }

    @Test("200 endpoint replacements cost no request", arguments: XDSProtocol.allCases)
    func endpoints(_ protocol: XDSProtocol) async throws {
      var catalog = try await ShopService("catalog", versions: ["v1", "v1"])
      let cluster = Mesh.cluster("catalog")
      try await Mesh.with(`protocol`) { manifests in
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["catalog"])) { load in
          for replacement in 1...200 {
            let old = catalog.members.removeFirst()
            let new = try await ShopService.member("catalog-\(replacement)", version: "v1")
            catalog.members.append(new)
            if replacement % 2 == 0 {
              // As Kubernetes does it: the new one is added, the old one drains, then it goes.
              for state in [EndpointSliceManifest.Endpoint.State.ready, .draining] {
                var both = catalog
                both.members.append(old)
                both.members[both.members.count - 1].endpoint.state = state
                try both.writeEndpoints(into: mesh.manifests)
                if state == .ready { try await load.next("\(new.pod)") { $0.backend == new.pod } }
              }
              try catalog.writeEndpoints(into: mesh.manifests)
            } else {
              // In one write, while the old one still answers, as a pod in its grace does.
              try catalog.writeEndpoints(into: mesh.manifests, inPlace: replacement % 4 == 1)
              try await load.next("\(new.pod)") { $0.backend == new.pod }
            }
            let address = old.backend.address
            try await mesh.waitForHosts(of: cluster, "without \(address)") { hosts in
              !hosts.contains { $0.address == address }
            }
            // Envoy's main thread has let go of it; its worker follows within a request or two.
            try await load.pass(requests: 4)
            let before = old.backend.requests
            try await load.pass(requests: 4)
            #expect(old.backend.requests == before, "\(old.pod) is gone and still gets requests")
            await old.backend.stop()
          }
        }
        print("200 endpoint replacements, \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
        #expect(report.backends.count >= 200)
        try await mesh.waitForHosts(of: cluster, "the last two") { hosts in
          Set(hosts.map(\.address)) == Set(catalog.members.map(\.backend.address))
        }
        try await mesh.expectLastVersions()
      }
      await catalog.stop()
    }

    @Test("Subsets and routes come and go in either order and cost no request", arguments: XDSProtocol.allCases)
    func orders(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2", "v3"])
      let third = Mesh.cluster("reviews", subset: "v3")
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 50, "v2": 50], into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          for round in 1...10 {
            let isSubsetFirst = round % 2 == 1
            if isSubsetFirst {
              try reviews.writeSubsets(["v1", "v2", "v3"], into: mesh.manifests)
              try reviews.writeWeights(["v2": 50, "v3": 50], into: mesh.manifests)
            } else {
              // The route waits at its last good state until the subset is there, and the problem is told.
              try reviews.writeWeights(["v2": 50, "v3": 50], into: mesh.manifests)
              try await poll("a problem that names v3") {
                try await mesh.weir.page("/v1/problems").contains("v3")
              }
              #expect(try await mesh.weights(of: "reviews") == ["v1": 50, "v2": 50])
              try reviews.writeSubsets(["v1", "v2", "v3"], into: mesh.manifests)
            }
            try await load.next("v3, round \(round)") { $0.version == "v3" }
            try await mesh.waitForWeights(of: "reviews", ["v2": 50, "v3": 50])
            if isSubsetFirst {
              try reviews.writeWeights(["v1": 50, "v2": 50], into: mesh.manifests)
              try reviews.writeSubsets(["v1", "v2"], into: mesh.manifests)
            } else {
              // The removal waits while the route names it.
              try reviews.writeSubsets(["v1", "v2"], into: mesh.manifests)
              try await load.pass(requests: 30)
              try reviews.writeWeights(["v1": 50, "v2": 50], into: mesh.manifests)
            }
            try await mesh.waitForWeights(of: "reviews", ["v1": 50, "v2": 50])
            try await poll("no cluster for v3") { try await mesh.envoy.hosts()[third] == nil }
          }
          // The routes themselves: gone, and there again. Without them the service gets its plain route.
          try mesh.manifests.remove("reviews-routes.yaml")
          try await mesh.waitForWeights(of: "reviews", ["": 100])
          try mesh.manifests.remove("reviews-subsets.yaml")
          try await load.next("v3 through the plain route") { $0.version == "v3" }
          try reviews.writeWeights(["v1": 20, "v2": 80], into: mesh.manifests)
          try reviews.writeSubsets(["v1", "v2"], into: mesh.manifests)
          try await mesh.waitForWeights(of: "reviews", ["v1": 20, "v2": 80])
          try await load.pass(requests: 50)
        }
        print("subsets and routes in both orders, \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
        try await mesh.expectLastVersions()
      }
      await reviews.stop()
    }

    @Test("Broken manifests are named and change nothing, in the middle of traffic", arguments: XDSProtocol.allCases)
    func brokenManifests(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 50, "v2": 50], into: manifests)
      } _: { mesh async throws in
        let good = try mesh.manifests.read("reviews-routes.yaml")
        let broken: [(text: String, says: String)] = [
          ("kind: [", "reviews-routes.yaml"),
          (good.replacingOccurrences(of: "weight: 50", with: "weight: 0"), "weight"),
          (good.replacingOccurrences(of: "subset: v1", with: "subset: v9"), "v9"),
          (good.replacingOccurrences(of: "weight: 50", with: "weight: -1"), "weight"),
          (good.replacingOccurrences(of: "host: reviews", with: "host: nobody"), "nobody"),
        ]
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          for (text, says) in broken {
            try mesh.manifests.write("reviews-routes.yaml", text: text)
            try await poll("a problem that says \(says)") {
              let problems = try await mesh.weir.json("/v1/problems")["problems"].array
              return problems.contains { problem in
                problem["file"].string?.hasSuffix("reviews-routes.yaml") == true
                  && "\(problem["message"].string ?? "") \(problem["field"].string ?? "") \(problem["file"])".contains(
                    says)
              }
            }
            try await load.pass(requests: 20)
            #expect(try await mesh.weights(of: "reviews") == ["v1": 50, "v2": 50], "after \(says)")
            try mesh.manifests.write("reviews-routes.yaml", text: good)
            try await poll("no problem any more") {
              try await mesh.weir.json("/v1/problems")["problems"].array.isEmpty
            }
          }
        }
        print("broken manifests, \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
      await reviews.stop()
    }
  }
}
