import EnvoyHarness
import Testing

@Suite("A real Envoy, configured from files", .serialized)
struct EnvoyProcessTests {
  @Test("Traffic follows an endpoint file through 20 replacements, without a failed request")
  func followsEndpointFile() async throws {
    let directory = TemporaryDirectory(prefix: "weir-envoy-test")
    defer { directory.remove() }
    let files = try ManifestDirectory(in: directory)
    var current = try await Backend.start("reviews-0")
    try files.write("eds.yaml", text: StaticEnvoy.endpoints([(current.ip, current.port)]))
    let envoy = try await EnvoyProcess.start(
      bootstrap: StaticEnvoy.bootstrap(endpointFile: files.path + "/eds.yaml"), in: directory)
    let listener = try #require(await envoy.listeners()["outbound"])
    #expect(!listener.hasSuffix(":0"))

    let plan = ConstantLoad.Plan(
      address: listener, targets: [LoadTarget(host: "reviews")], pace: .perSecond(500), envoy: envoy)
    let (_, report) = try await ConstantLoad.run(plan) { load in
      try await load.next("an answer from the first") { $0.backend == "reviews-0" }
      for index in 1...20 {
        let next = try await Backend.start("reviews-\(index)")
        try files.write("eds.yaml", text: StaticEnvoy.endpoints([(next.ip, next.port)]))
        try await load.next("an answer from reviews-\(index)") { $0.backend == "reviews-\(index)" }
        let address = current.address
        try await poll("\(address) gone") {
          try await envoy.hosts()["outbound|80||reviews"]?.contains { $0.address == address } == false
        }
        await current.stop()
        current = next
      }
    }
    print("endpoint file: \(report.summary)")
    #expect(report.complaints.isEmpty)
    #expect(report.backends.count == 21)
    #expect(report.statuses == [200: report.requests])
    let statistics = try await envoy.statistics(matching: "^http\\.outbound\\.downstream_rq_2xx$")
    #expect(statistics["http.outbound.downstream_rq_2xx"] == report.requests)
    await envoy.stop()
    await current.stop()
    #expect(!envoy.process.isRunning)
  }

  @Test("Failures are counted one by one, with their reasons")
  func countsFailures() async throws {
    let directory = TemporaryDirectory(prefix: "weir-envoy-test")
    defer { directory.remove() }
    let files = try ManifestDirectory(in: directory)
    let backend = try await Backend.start("reviews")
    try files.write("eds.yaml", text: StaticEnvoy.endpoints([(backend.ip, backend.port)]))
    let envoy = try await EnvoyProcess.start(
      bootstrap: StaticEnvoy.bootstrap(endpointFile: files.path + "/eds.yaml"), in: directory)
    let listener = try #require(await envoy.listeners()["outbound"])

    let targets = [LoadTarget(host: "reviews", path: "/"), LoadTarget(host: "reviews", path: "/missing")]
    let plan = ConstantLoad.Plan(address: listener, targets: targets, pace: .closedLoop, connections: 2)
    let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 100) }
    #expect(report.statuses[404] == report.failed)
    #expect(abs(report.failed * 2 - report.requests) <= 1)
    #expect(report.failures.allSatisfy { $0.reason == "status 404" && $0.target.path == "/missing" })

    // A backend that is gone while Envoy still names it: that must show as failed requests.
    await backend.stop()
    let gone = ConstantLoad.Plan(address: listener, targets: [targets[0]], pace: .perSecond(200))
    let (_, refused) = try await ConstantLoad.run(gone) { try await $0.pass(requests: 20) }
    #expect(refused.failed == refused.requests)
    #expect(refused.statuses[503] == refused.requests)
    await envoy.stop()
  }

  @Test("A frozen Envoy answers nothing, and everything again when it goes on")
  func pauses() async throws {
    let directory = TemporaryDirectory(prefix: "weir-envoy-test")
    defer { directory.remove() }
    let files = try ManifestDirectory(in: directory)
    let backend = try await Backend.start("reviews")
    try files.write("eds.yaml", text: StaticEnvoy.endpoints([(backend.ip, backend.port)]))
    let envoy = try await EnvoyProcess.start(
      bootstrap: StaticEnvoy.bootstrap(endpointFile: files.path + "/eds.yaml"), in: directory)
    let listener = try #require(await envoy.listeners()["outbound"])
    envoy.pause()
    await #expect(throws: HarnessError.self) {
      try await HTTPCall.get(listener, "/", timeout: .milliseconds(300))
    }
    envoy.resume()
    let response = try await HTTPCall.get(listener, "/", host: "reviews")
    #expect(response.status == 200)
    #expect(response.body == "reviews v1 /\n")
    let dump = try await envoy.configurationDump()
    #expect(dump.all("route_config").contains { $0["name"].string == "outbound" })
    await envoy.stop()
    await backend.stop()
  }

  @Test("A bootstrap that Envoy refuses is an error with Envoy's own words")
  func refusesBootstrap() async throws {
    let error = await #expect(throws: HarnessError.self) {
      try await EnvoyProcess.start(bootstrap: "node: {id: x, cluster: y}\nno_such_field: 1\n")
    }
    #expect(error?.code == .exited)
    #expect(error?.message.contains("no_such_field") == true)
  }
}
