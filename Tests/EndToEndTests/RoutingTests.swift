import EnvoyHarness
import Testing

extension EndToEnd {
  @Suite("What a sidecar routes", .serialized)
  struct Routing {
    @Test("A service answers to every name that Istio gives it", arguments: XDSProtocol.allCases)
    func hostForms(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews")
      // Two HTTP ports, neither of them 80: without a port the lower one is meant.
      let low = try await Backend.start("api-low", ip: LoopbackAddress.next(), port: Backend.usualPort)
      let high = try await Backend.start("api-high", ip: low.ip, port: Backend.usualPort + 1)
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try manifests.write(
          "api.yaml",
          [
            ServiceManifest(
              "api", namespace: "shop",
              ports: [
                .init(name: "high", port: 9090, applicationProtocol: "http"), .init(name: "http-low", port: 8080),
              ]),
            EndpointSliceManifest(
              "api-1", namespace: "shop", service: "api", ports: ["http-low": low.port, "high": high.port],
              endpoints: [.init(low.ip)]),
          ])
      } _: { mesh async throws in
        let forms = ["reviews", "reviews.shop", "reviews.shop.svc", "reviews.shop.svc.cluster.local"]
        for host in forms + forms.map({ $0 + ":80" }) {
          let response = try await HTTPCall.get(mesh.outbound, "/x", host: host)
          #expect(response.status == 200, "\(host)")
          #expect(response.headers.first(name: "x-backend") == "reviews-v1-0", "\(host)")
          // Envoy passes the Host header on as it came.
          #expect(response.headers.first(name: "x-host") == host)
        }
        for (host, backend) in [
          ("api", "api-low"), ("api:8080", "api-low"), ("api:9090", "api-high"), ("api.shop.svc:9090", "api-high"),
        ] {
          let response = try await HTTPCall.get(mesh.outbound, "/", host: host)
          #expect(response.headers.first(name: "x-backend") == backend, "\(host)")
        }
        for host in ["nobody", "reviews.default", "reviews:81"] {
          #expect(try await HTTPCall.get(mesh.outbound, "/", host: host).status == 404, "\(host)")
        }
      }
      await reviews.stop()
      await low.stop()
      await high.stop()
    }

    @Test("From another namespace the short name is nobody's", arguments: XDSProtocol.allCases)
    func otherNamespace(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews")
      try await Mesh.with(`protocol`, namespace: "elsewhere") { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        #expect(try await HTTPCall.get(mesh.outbound, "/", host: "reviews").status == 404)
        #expect(try await HTTPCall.get(mesh.outbound, "/", host: "reviews.shop").status == 200)
        #expect(try await HTTPCall.get(mesh.outbound, "/", host: "reviews.shop.svc.cluster.local").status == 200)
      }
      await reviews.stop()
    }

    @Test("Header and path rules win in their order", arguments: XDSProtocol.allCases)
    func rules(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try manifests.write(
          "reviews-routes.yaml",
          [
            VirtualServiceManifest(
              "reviews", namespace: "shop", hosts: ["reviews"],
              routes: [
                .init(prefix: "/old", to: [.init("reviews", subset: "v1")]),
                .init(headers: ["x-tester": "yes"], to: [.init("reviews", subset: "v2")]),
                .init(prefix: "/new", to: [.init("reviews", subset: "v2")]),
                .init(to: [.init("reviews", subset: "v1")]),
              ])
          ])
      } _: { mesh async throws in
        let cases: [(path: String, headers: [String: String], version: String)] = [
          ("/", [:], "v1"), ("/new/x", [:], "v2"), ("/", ["x-tester": "yes"], "v2"), ("/", ["x-tester": "no"], "v1"),
          ("/old", ["x-tester": "yes"], "v1"),
        ]
        for (path, headers, version) in cases {
          let response = try await HTTPCall.get(mesh.outbound, path, host: "reviews", headers: headers)
          #expect(response.headers.first(name: "x-version") == version, "\(path) \(headers)")
        }
      }
      await reviews.stop()
    }

    @Test("A TCP service is passed through, and follows its endpoints", arguments: XDSProtocol.allCases)
    func tcp(_ protocol: XDSProtocol) async throws {
      let first = try await TCPBackend.start("ledger-1", ip: LoopbackAddress.next(), port: Backend.usualPort)
      let second = try await TCPBackend.start("ledger-2", ip: LoopbackAddress.next(), port: Backend.usualPort)
      func documents(_ backend: TCPBackend) -> [any ManifestDocument] {
        [
          ServiceManifest("ledger", namespace: "shop", ports: [.init(name: "tcp", port: 7000)]),
          EndpointSliceManifest(
            "ledger-1", namespace: "shop", service: "ledger", ports: ["tcp": backend.port],
            endpoints: [.init(backend.ip)]),
        ]
      }
      try await Mesh.with(`protocol`) { manifests in
        try manifests.write("ledger.yaml", documents(first))
      } _: { mesh async throws in
        #expect(try await TCPCall.exchange("\(mesh.host):7000", line: "hello") == "ledger-1: hello")
        try mesh.manifests.write("ledger.yaml", documents(second))
        try await poll("the second answers") {
          try await TCPCall.exchange("\(mesh.host):7000", line: "hello") == "ledger-2: hello"
        }
        // Gone from the manifests, the listener goes too.
        try mesh.manifests.remove("ledger.yaml")
        try await poll("the port is closed") {
          (try? await TCPCall.exchange("\(mesh.host):7000", line: "hello")) == nil
        }
      }
      await first.stop()
      await second.stop()
    }

    @Test("A service without endpoints answers 503 until it has one", arguments: XDSProtocol.allCases)
    func empty(_ protocol: XDSProtocol) async throws {
      var reviews = try await ShopService("reviews")
      let members = reviews.members
      reviews.members = []
      try await Mesh.with(`protocol`) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        #expect(try await HTTPCall.get(mesh.outbound, "/", host: "reviews").status == 503)
        reviews.members = members
        try reviews.writeEndpoints(into: mesh.manifests)
        try await poll("reviews answers") {
          try await HTTPCall.get(mesh.outbound, "/", host: "reviews").status == 200
        }
      }
      await reviews.stop()
    }
  }
}
