import EnvoyHarness
import Testing

extension EndToEnd {
  @Suite("The command line and the admin interface", .serialized)
  struct Command {
    @Test("weir check finds nothing wrong with the example, and names what is wrong elsewhere")
    func check() async throws {
      let shop = try ProgramFile.packageRoot() + "/examples/shop"
      let clean = try await ChildProcess.output(of: WeirProcess.binary(), ["check", "--json", shop])
      #expect(!clean.contains("\"severity\""), "\(clean)")

      let directory = TemporaryDirectory(prefix: "weir-end-to-end")
      defer { directory.remove() }
      let manifests = try ManifestDirectory(in: directory)
      try manifests.write(
        "bad.yaml",
        [
          ServiceManifest("reviews", namespace: "shop"),
          VirtualServiceManifest("reviews", namespace: "shop", host: "reviews", weights: [("nowhere", 100)]),
        ])
      let found = try await ChildProcess.output(
        of: WeirProcess.binary(), ["check", manifests.path], accepting: [1])
      #expect(found.contains("bad.yaml"))
      #expect(found.contains("nowhere"))
    }

    @Test(
      "The admin interface tells of health, proxies, resources, problems and metrics", arguments: XDSProtocol.allCases)
    func admin(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews")
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        _ = try await mesh.weir.page("/live")
        _ = try await mesh.weir.page("/ready")
        try await mesh.expectLastVersions()
        let proxy = try await mesh.weir.json("/v1/proxies")["proxies"][0]
        #expect(proxy["nodeID"].string == "sidecar-\(`protocol`)")
        #expect(proxy["protocol"].string == `protocol`.rawValue)
        #expect(proxy["namespace"].string == "shop")
        let table = try await ChildProcess.output(
          of: WeirProcess.binary(), ["proxies", "--admin", "http://\(mesh.weir.addresses.admin)"])
        #expect(table.contains("sidecar-\(`protocol`)"))

        let cluster = Mesh.cluster("reviews")
        #expect(try await mesh.versions(of: "cluster").keys.contains(cluster))
        let resources = try await mesh.weir.json("/v1/resources?type=endpoint")["resources"].array
        #expect(resources.contains { $0["name"].string == cluster })
        #expect(try await mesh.weir.json("/v1/problems")["problems"].array.isEmpty)
        _ = try await mesh.weir.page("/nothing", expecting: 404)
        let sent = try await mesh.resourcesSent()
        #expect(sent == ["cluster": 1, "endpoint": 1, "listener": 1, "route": 1])
      }
      await reviews.stop()
    }

    @Test("A proxy that has gone is no longer listed")
    func goneProxy() async throws {
      let reviews = try await ShopService("reviews")
      try await Mesh.with(.delta) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        let bootstrap = try await mesh.weir.bootstrap(
          nodeID: "second", namespace: "shop", listen: "\(LoopbackAddress.next()):15001")
        let second = try await EnvoyProcess.start(bootstrap: bootstrap, name: "second", in: mesh.directory)
        func names() async throws -> Set<String> {
          Set(try await mesh.weir.json("/v1/proxies")["proxies"].array.compactMap { $0["nodeID"].string })
        }
        try await poll("two proxies") { try await names() == ["sidecar-delta", "second"] }
        await second.stop()
        try await poll("one proxy") { try await names() == ["sidecar-delta"] }
      }
      await reviews.stop()
    }

    @Test("A frozen Envoy holds nobody else up, and catches up when it wakes", arguments: XDSProtocol.allCases)
    func slowProxy(_ protocol: XDSProtocol) async throws {
      var catalog = try await ShopService("catalog", versions: ["v1", "v1"])
      try await Mesh.with(`protocol`) { manifests in
        try catalog.write(into: manifests)
      } _: { mesh async throws in
        let bootstrap = try await mesh.weir.bootstrap(
          nodeID: "frozen", namespace: "shop", listen: "\(LoopbackAddress.next()):15001", protocol: `protocol`)
        let frozen = try await EnvoyProcess.start(bootstrap: bootstrap, name: "frozen", in: mesh.directory)
        frozen.pause()
        var kept: [ShopService.Member] = []
        for change in 1...20 {
          kept.append(catalog.members.removeFirst())
          let new = try await ShopService.member("catalog-\(change)", version: "v1")
          catalog.members.append(new)
          try catalog.writeEndpoints(into: mesh.manifests)
          try await mesh.waitForHosts(of: Mesh.cluster("catalog"), new.pod) { hosts in
            hosts.contains { $0.address == new.backend.address }
          }
        }
        frozen.resume()
        let last = Set(catalog.members.map(\.backend.address))
        try await poll("the frozen one has the last two endpoints") {
          Set(try await frozen.hosts()[Mesh.cluster("catalog")]?.map(\.address) ?? []) == last
        }
        await frozen.stop()
        for member in kept { await member.backend.stop() }
      }
      await catalog.stop()
    }
  }
}
