import Testing

@testable import EnvoyHarness

@Suite("What a load finds out behind Envoy's retries", .serialized)
struct EnvoyTroubleTests {
  /// Runs `body` against an Envoy with two endpoints, one of which is a closed port: an endpoint taken out too late.
  private func withLateRemoval(retries: Bool, _ body: (EnvoyProcess, _ listener: String) async throws -> Void)
    async throws
  {
    let directory = TemporaryDirectory(prefix: "weir-envoy-test")
    defer { directory.remove() }
    let files = try ManifestDirectory(in: directory)
    let good = try await Backend.start("good", ip: LoopbackAddress.next())
    let gone = try await Backend.start("gone", ip: LoopbackAddress.next())
    await gone.stop()
    try files.write("eds.yaml", text: StaticEnvoy.endpoints([(good.ip, good.port), (gone.ip, gone.port)]))
    let envoy = try await EnvoyProcess.start(
      bootstrap: StaticEnvoy.bootstrap(endpointFile: files.path + "/eds.yaml"), in: directory, retries: retries)
    do {
      try await body(envoy, try #require(await envoy.listeners()["outbound"]))
    } catch {
      await envoy.stop()
      throw error
    }
    await envoy.stop()
    await good.stop()
  }

  @Test("A retry that saves the request is counted, with the connection that failed")
  func retried() async throws {
    try await withLateRemoval(retries: true) { envoy, listener in
      for sampling in [Duration.milliseconds(20), nil] {
        // No more than the three retries at a time that a cluster allows unless told otherwise.
        let plan = ConstantLoad.Plan(
          address: listener, targets: [LoadTarget(host: "reviews")], pace: .closedLoop, connections: 2, envoy: envoy,
          sampling: sampling)
        let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 100) }
        #expect(report.failed == 0, "\(report.failureList)")
        let trouble = try #require(report.trouble)
        #expect(trouble.retries > 10)
        #expect(trouble.connectFailures >= trouble.retries)
        #expect(trouble.withoutCluster == 0)
        #expect(report.complaints.count == 1)
        #expect(report.summary.contains("0 failed, \(trouble.retries) retries"))
      }
    }
  }

  @Test("With retries switched off the same request fails")
  func switchedOff() async throws {
    try await withLateRemoval(retries: false) { envoy, listener in
      let plan = ConstantLoad.Plan(address: listener, targets: [LoadTarget(host: "reviews")], envoy: envoy)
      let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 100) }
      #expect(report.failed > 10)
      #expect(report.statuses[503] == report.failed)
      #expect(report.trouble?.retries == 0)
      #expect(report.trouble?.connectFailures ?? 0 > 0)
      #expect(report.complaints.count == 2)
    }
  }

  @Test("A request without a cluster is counted, and what was before the load is not")
  func withoutCluster() async throws {
    try await withLateRemoval(retries: false) { envoy, listener in
      let plan = ConstantLoad.Plan(
        address: listener, targets: [LoadTarget(host: "reviews", path: "/unknown")], envoy: envoy)
      for _ in 1...2 {
        let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 20) }
        #expect(report.trouble?.withoutCluster == report.requests)
        #expect(report.trouble?.connectFailures == 0)
      }
    }
  }

  @Test("A counter that goes and comes back keeps what it had")
  func growth() {
    var growth = CounterGrowth()
    growth.sample(["cluster.a.upstream_rq_retry": 5, "cluster.xds.upstream_cx_connect_fail": 0])
    growth.sample(["cluster.a.upstream_rq_retry": 7, "cluster.xds.upstream_cx_connect_fail": 3])
    growth.sample([:])
    growth.sample(["cluster.a.upstream_rq_retry": 1, "cluster.b.upstream_cx_none_healthy": 4])
    growth.sample(["cluster.a.upstream_rq_retry": 1, "cluster.b.upstream_cx_none_healthy": 2])
    let trouble = EnvoyTrouble(growth)
    #expect(trouble.retries == 3)
    #expect(trouble.withoutHost == 6)
    #expect(trouble.connectFailures == 0, "Weir's own connection is not meant")
    #expect(trouble.counters.count == 2)
    #expect(EnvoyTrouble().isNone)
  }
}
