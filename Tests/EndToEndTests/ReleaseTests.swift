import EnvoyBootstrap
import EnvoyHarness
import Logging
import ReleaseControl
import Testing
import TrafficModel
import Weir

extension EndToEnd {
  /// Releases in this process, by the library, with a real Envoy and constant load.
  @Suite("Releases", .serialized)
  struct ReleaseEndToEnd {
    @Test("a canary and a rollback cost no request", arguments: SidecarBootstrap.DiscoveryProtocol.allCases)
    func canary(_ discovery: SidecarBootstrap.DiscoveryProtocol) async throws {
      try await ReleasedMesh.with(discovery) { mesh in
        let plan = ConstantLoad.Plan(
          address: mesh.outbound, targets: [LoadTarget(host: "reviews")], pace: .perSecond(400), envoy: mesh.envoy)
        let (_, report) = try await ConstantLoad.run(plan) { load in
          let release = try await mesh.plane.releases.start(
            .canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 25, 50, 100]))
          for weight in [5, 25, 50, 100] {
            let report = try await release.change().live(on: .all, within: .seconds(10))
            #expect(report.total == 1)
            // The answer is Envoy's own: its routes say the same.
            #expect(try await mesh.weights() == weight.shares)
            try await load.pass(requests: 40)
            let before = try await load.report().versions["reviews"] ?? [:]
            try await load.pass(requests: 400)
            let after = try await load.report().versions["reviews"] ?? [:]
            let (v1, v2) = (
              after["v1", default: 0] - before["v1", default: 0], after["v2", default: 0] - before["v2", default: 0]
            )
            let share = Double(v2) / Double(max(v1 + v2, 1))
            // Five standard deviations.
            let expected = Double(weight) / 100
            let bound = 5 * (expected * (1 - expected) / Double(max(v1 + v2, 1))).squareRoot()
            #expect(abs(share - expected) <= bound, "\(weight) %: \(v2) of \(v1 + v2)")
            if weight < 100 { try await release.change().approve() }
          }
          let clock = ContinuousClock()
          let start = clock.now
          try await release.rollback().live(on: .all, within: .seconds(10))
          print("release, \(discovery.rawValue): live back on v1 after \(clock.now - start)")
          #expect(try await mesh.weights() == ["v1": 100])
          try await load.pass(requests: 20)
        }
        print("release, \(discovery.rawValue): \(report.summary)")
        #expect(report.complaints.isEmpty)
      }
    }

    @Test("whoever has come to the candidate stays there while its weight grows")
    func sticky() async throws {
      try await ReleasedMesh.with(.delta) { mesh in
        let release = try await mesh.plane.releases.start(
          .canary(
            of: "reviews.shop", from: "v1", to: "v2", steps: [10, 30, 60, 90],
            stickiness: .cookie(name: "version", ttlSeconds: 3600)))
        var clients: [(cookie: String, version: String)] = []
        try await release.change().live(within: .seconds(10))
        for _ in 0..<150 {
          let answer = try await HTTPCall.get(mesh.outbound, "/", host: "reviews")
          let cookie = try #require(answer.headers["set-cookie"].first?.split(separator: ";").first)
          clients.append((String(cookie), answer.headers["x-version"].first ?? ""))
        }
        for weight in [10, 30, 60, 90] {
          if weight > 10 { try await release.change().approve().live(within: .seconds(10)) }
          var onCandidate = 0
          for index in clients.indices {
            let answer = try await HTTPCall.get(
              mesh.outbound, "/", host: "reviews", headers: ["cookie": "a=b; \(clients[index].cookie)"])
            let version = answer.headers["x-version"].first ?? ""
            #expect(answer.headers["set-cookie"].isEmpty, "it has its cookie")
            if clients[index].version == "v2" || weight == 10 {
              #expect(
                version == clients[index].version,
                "\(weight) %: a client went from \(clients[index].version) to \(version)")
            }
            clients[index].version = version
            if version == "v2" { onCandidate += 1 }
          }
          let expected = Double(weight) / 100 * 150
          #expect(abs(Double(onCandidate) - expected) <= 5 * (expected * (1 - Double(weight) / 100)).squareRoot())
        }
        try await release.rollback().live(within: .seconds(10))
        let answer = try await HTTPCall.get(mesh.outbound, "/", host: "reviews", headers: ["cookie": clients[0].cookie])
        #expect(answer.headers["x-version"].first == "v1", "the way back is for everybody")
      }
    }

    @Test("rules, a mirror and a preview host do what they say")
    func rules() async throws {
      try await ReleasedMesh.with(.delta) { mesh in
        let rules = [
          RequestRule(headers: ["x-user": .exact("jason")]), RequestRule(cookies: ["beta": .exact("a.b")]),
          RequestRule(queryParameters: ["preview": .present]),
        ]
        let release = try await mesh.plane.releases.start(
          .blueGreen(of: "reviews.shop", from: "v1", to: "v2", preview: rules, previewHost: "reviews.preview"))
        try await release.change().live(within: .seconds(10))
        func version(_ path: String = "/", host: String = "reviews", _ headers: [String: String] = [:]) async throws
          -> String?
        {
          try await HTTPCall.get(mesh.outbound, path, host: host, headers: headers).headers["x-version"].first
        }
        #expect(try await version() == "v1")
        #expect(try await version("/", ["x-user": "jason"]) == "v2")
        #expect(try await version("/", ["x-user": "jasons"]) == "v1")
        #expect(try await version("/", ["cookie": "x=1; beta=a.b; y=2"]) == "v2")
        #expect(try await version("/", ["cookie": "beta=aXb"]) == "v1")
        #expect(try await version("/", ["cookie": "alphabeta=a.b"]) == "v1")
        #expect(try await version("/?preview") == "v2")
        #expect(try await version("/", host: "reviews.preview") == "v2")
        try await release.change().approve().live(within: .seconds(10))
        #expect(try await version() == "v2")
        try await release.rollback().live(within: .seconds(10))
        #expect(try await version("/", ["x-user": "jason"]) == "v1")

        let mirroring = try await mesh.plane.releases.start(
          .mirrorFirst(of: "reviews.shop", from: "v1", to: "v2", share: 100, steps: [50]))
        try await mirroring.change().live(within: .seconds(10))
        let before = mesh.candidate.requests
        for _ in 0..<10 { #expect(try await version() == "v1") }
        try await poll("ten copies have come") { mesh.candidate.requests >= before + 10 }
        try await mirroring.rollback()
      }
    }
  }
}

/// A control plane in this process with one service of two versions, and a sidecar Envoy of it.
private struct ReleasedMesh {
  let plane: ControlPlane
  let envoy: EnvoyProcess
  let outbound: String
  let candidate: Backend

  static func with(
    _ discovery: SidecarBootstrap.DiscoveryProtocol, isolation: isolated (any Actor)? = #isolation,
    _ body: (ReleasedMesh) async throws -> Void
  ) async throws {
    let directory = TemporaryDirectory(prefix: "weir-release")
    defer { directory.remove() }
    let manifests = try ManifestDirectory(in: directory)
    let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
    try reviews.write(into: manifests)
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let plane = try await ControlPlane.start(
      ControlPlaneConfiguration(
        manifests: [manifests.path], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: nil,
        state: directory.path + "/state"), logger: logger)
    let outbound = "\(LoopbackAddress.next()):15001"
    let bootstrap = SidecarBootstrap(
      nodeID: "sidecar", namespace: "shop", xds: .plain(try HostPort(plane.xdsAddress)), listen: try HostPort(outbound),
      admin: try HostPort("127.0.0.1:0"), discoveryProtocol: discovery
    ).json()
    let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, in: directory, retries: false)
    do {
      try await body(
        ReleasedMesh(plane: plane, envoy: envoy, outbound: outbound, candidate: reviews.members[1].backend))
    } catch {
      print("Envoy's log:\n\(envoy.process.logTail())")
      await envoy.stop()
      await plane.drain(within: .zero)
      throw error
    }
    await envoy.stop()
    await plane.drain(within: .zero)
    await reviews.stop()
  }

  /// The weights of the subsets in Envoy's own configuration.
  func weights() async throws -> [String: Int] { try await envoy.shares(of: "reviews") }
}

extension Int {
  fileprivate var shares: [String: Int] {
    self == 100 ? ["v2": 100] : ["v1": 10_000 - self * 100, "v2": self * 100]
  }
}
