import EnvoyHarness
import Foundation
import Testing

extension EndToEnd {
  @Suite("The ways from Envoy to Weir", .serialized)
  struct Transports {
    @Test(
      "Requests are routed and changes are live over each way", arguments: Transport.allCases, XDSProtocol.allCases)
    func changes(over transport: Transport, _ protocol: XDSProtocol) async throws {
      var reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(`protocol`, over: transport) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 100, "v2": 0], into: manifests)
      } _: { mesh async throws in
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"])) { load in
          try await load.pass(requests: 30)
          for second in [10, 50, 100] {
            try reviews.writeWeights(["v1": 100 - second, "v2": second], into: mesh.manifests)
            try await mesh.waitForWeights(of: "reviews", ["v1": 100 - second, "v2": second])
          }
          let old = reviews.members.removeLast()
          reviews.members.append(try await ShopService.member("reviews-v2-new", version: "v2"))
          try reviews.writeEndpoints(into: mesh.manifests)
          try await load.next("the new endpoint") { $0.backend == "reviews-v2-new" }
          try await mesh.waitForHosts(of: Mesh.cluster("reviews", subset: "v2"), "only the new one") { hosts in
            hosts.map(\.address) == [reviews.members[1].backend.address]
          }
          try await load.pass(requests: 50)
          await old.backend.stop()
        }
        print("changes over \(transport), \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
        try await mesh.expectLastVersions()
        let metrics = try await mesh.weir.metrics()
        #expect(metrics.sum("weir_xds_streams_opened_total") == 1)
        #expect(metrics.sum("weir_tls_handshakes_total") == (transport == .mutualTLS ? 1 : 0))
        #expect((mesh.weir.addresses.xds == "") == (transport != .plain))
        if let path = mesh.weir.addresses.xdsUnix {
          let attributes = try FileManager.default.attributesOfItem(atPath: path)
          #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
      }
      await reviews.stop()
    }

    @Test("An Envoy that is not trusted never gets configuration", arguments: XDSProtocol.allCases)
    func untrusted(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews")
      try await Mesh.with(`protocol`, over: .mutualTLS) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        let authorities = try #require(mesh.authorities)
        let strangers = try await CertificateAuthority("strangers", in: mesh.directory)
        let cases: [(client: CertificateAuthority.Identity?, reason: String)] = [
          (nil, "no_certificate"), (try await strangers.issue("sidecar"), "untrusted_certificate"),
          (try await authorities.clients.issue("sidecar", validity: .past), "untrusted_certificate"),
        ]
        for (client, reason) in cases {
          let before = try await mesh.refusals(reason)
          let stranger = try await mesh.startAnother(
            "stranger", route: .tls(ca: authorities.servers.certificate, client: client), whenReady: false)
          // It tries again and again.
          try await poll("three refusals because of \(reason)") { try await mesh.refusals(reason) >= before + 3 }
          #expect(try await !stranger.isReady())
          let held = try await stranger.configuration()
          #expect(held.clusters.isEmpty && held.listeners.isEmpty && held.routes.isEmpty && held.assignments.isEmpty)
          let statistics = try await stranger.statistics(
            matching: #"^(cluster_manager\.cds|listener_manager\.lds)\.update_success$"#)
          #expect(statistics.values.allSatisfy { $0 == 0 }, "\(statistics)")
          #expect(try await mesh.proxies() == ["sidecar-\(`protocol`)"])
          await stranger.stop()
        }
        let metrics = try await mesh.weir.metrics()
        #expect(metrics.sum("weir_tls_handshakes_total") == 1)
        #expect(metrics.sum("weir_xds_streams_opened_total") == 1)
      }
      await reviews.stop()
    }

    /// As an operator does it: the server's certificate; then a new client CA beside the old one, new certificates for
    /// the proxies, and the old CA goes; the server's CA in the same way.
    @Test("Certificates and authorities are replaced under load, and no stream drops", arguments: XDSProtocol.allCases)
    func rotation(_ protocol: XDSProtocol) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(`protocol`, over: .mutualTLS) { manifests in
        try reviews.write(into: manifests)
        try reviews.writeSubsets(["v1", "v2"], into: manifests)
        try reviews.writeWeights(["v1": 50, "v2": 50], into: manifests)
      } _: { mesh async throws in
        let old = try #require(mesh.authorities)
        let servers = try await CertificateAuthority("new-servers", in: mesh.directory)
        let clients = try await CertificateAuthority("new-clients", in: mesh.directory)
        // Few requests: four Envoys, their handshakes and the load share the machine, and what is to be seen is whether a
        // stream drops.
        let (_, report) = try await ConstantLoad.run(mesh.plan(["reviews"], perSecond: 100)) { load in
          var first = 50
          /// Replaces the files, waits until they are in use, and sees that the stream still brings changes.
          func rotate(_ what: String, _ server: CertificateAuthority.Identity, _ trusted: [CertificateAuthority])
            async throws
          {
            let before = try await mesh.reloads()
            try old.serve(server, trusting: trusted)
            for _ in 1...5 {
              first = (first + 7) % 100
              try reviews.writeWeights(["v1": first, "v2": 100 - first], into: mesh.manifests)
              try await mesh.waitForWeights(of: "reviews", ["v1": first, "v2": 100 - first])
            }
            try await poll("\(what): taken into use") { try await mesh.reloads() == before + 1 }
            try reviews.writeWeights(["v1": 50, "v2": 50], into: mesh.manifests)
            try await mesh.waitForWeights(of: "reviews", ["v1": 50, "v2": 50])
            try await load.pass(requests: 20)
          }
          try await rotate("another server certificate", try await old.servers.issue("weir"), [old.clients])
          let third = try await old.servers.issue("weir")
          try await rotate("both client CAs", third, [old.clients, clients])
          let second = try await mesh.startAnother(
            "second", route: .tls(ca: old.servers.certificate, client: try await clients.issue("sidecar")))
          try await rotate("the new client CA alone", third, [clients])
          try await rotate("a server certificate of the new CA", try await servers.issue("weir"), [clients])
          #expect(try await mesh.weir.metrics().sum("weir_xds_streams_opened_total") == 2)

          // Who comes now needs both: the new server CA to know Weir, and a certificate of the new client CA.
          let late = try await mesh.startAnother(
            "late", route: .tls(ca: servers.certificate, client: try await clients.issue("sidecar")))
          let refused = try await mesh.refusals("untrusted_certificate")
          let stale = try await mesh.startAnother(
            "stale", route: .tls(ca: servers.certificate, client: try await old.clients.issue("sidecar")),
            whenReady: false)
          try await poll("the old CA's certificate is refused") {
            try await mesh.refusals("untrusted_certificate") > refused
          }
          for envoy in [second, late, stale] { await envoy.stop() }
        }
        print("rotation, \(`protocol`): \(report.summary)")
        #expect(report.complaints.isEmpty)
        let metrics = try await mesh.weir.metrics()
        // The first Envoy's, the second's and the late one's: none came twice.
        #expect(metrics.sum("weir_xds_streams_opened_total") == 3)
        #expect(metrics.sum("weir_tls_handshakes_total") == 3)
        #expect(metrics.sum("weir_tls_reloads_total", ["result": "failed"]) == 0)
        #expect(metrics.sum("weir_tls_certificate_expiry_timestamp_seconds") > 0)
      }
      await reviews.stop()
    }
  }
}

extension Transport.Authorities {
  /// Writes the files that Weir reads, one after the other and in place.
  func serve(_ identity: CertificateAuthority.Identity, trusting trusted: [CertificateAuthority]) throws {
    func write(_ file: String, _ sources: [String]) throws {
      var bytes = Data()
      for source in sources { bytes += try Data(contentsOf: URL(fileURLWithPath: source)) }
      try bytes.write(to: URL(fileURLWithPath: file))
    }
    try write(served.server.certificate, [identity.certificate])
    try write(served.server.key, [identity.key])
    if let clientCA = served.clientCA { try write(clientCA, trusted.map(\.certificate)) }
  }
}

extension Mesh {
  /// Another Envoy of this Weir.
  fileprivate func startAnother(_ name: String, route: WeirRoute, whenReady: Bool = true) async throws -> EnvoyProcess {
    let bootstrap = try await weir.bootstrap(
      nodeID: name, namespace: "shop", listen: "\(LoopbackAddress.next()):15001", protocol: `protocol`, route: route)
    return try await EnvoyProcess.start(bootstrap: bootstrap, name: name, in: directory, whenReady: whenReady)
  }

  fileprivate func proxies() async throws -> [String] {
    try await weir.json("/v1/proxies")["proxies"].array.compactMap { $0["nodeID"].string }
  }

  fileprivate func refusals(_ reason: String) async throws -> Double {
    try await weir.metrics().sum("weir_tls_handshake_failures_total", ["reason": reason])
  }

  fileprivate func reloads() async throws -> Double {
    try await weir.metrics().sum("weir_tls_reloads_total", ["result": "ok"])
  }
}
