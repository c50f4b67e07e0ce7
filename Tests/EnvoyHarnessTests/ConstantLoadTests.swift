import EnvoyHarness
import Testing

@Suite("The load, straight at backends")
struct ConstantLoadTests {
  @Test("Every request that the backend saw is counted, and no other")
  func countsExactly() async throws {
    let backend = try await Backend.start("one", version: "v7")
    let plan = ConstantLoad.Plan(address: backend.address, targets: [LoadTarget(host: "one")], pace: .perSecond(1000))
    let (value, report) = try await ConstantLoad.run(plan) { load in
      try await load.pass(requests: 500)
      return "done"
    }
    #expect(value == "done")
    #expect(report.failed == 0, "\(report.failureList)")
    #expect(report.requests == backend.requests)
    #expect(report.backends == ["one": report.requests])
    #expect(report.versions == ["one": ["v7": report.requests]])
    #expect(report.requests >= 500)
    await backend.stop()
  }

  @Test("The rate is kept, also when answers are slow")
  func keepsRate() async throws {
    let backend = try await Backend.start("slow")
    backend.delay(by: .milliseconds(30))
    let plan = ConstantLoad.Plan(
      address: backend.address, targets: [LoadTarget(host: "slow")], pace: .perSecond(200), connections: 20)
    let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 100) }
    #expect(report.failed == 0, "\(report.failureList)")
    #expect(report.latency.percentile(0.5) >= .milliseconds(29))
    #expect(report.connections > 1)
    await backend.stop()
  }

  @Test("A request without an answer in time has failed")
  func timesOut() async throws {
    let backend = try await Backend.start("hanging")
    backend.delay(by: .seconds(30))
    let plan = ConstantLoad.Plan(
      address: backend.address, targets: [LoadTarget(host: "hanging")], pace: .closedLoop, connections: 2,
      timeout: .milliseconds(200))
    let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 4) }
    #expect(report.failed == report.requests)
    #expect(report.failures.allSatisfy { $0.reason == "timeout" })
  }

  @Test("A closed port fails every request")
  func refused() async throws {
    let backend = try await Backend.start("gone")
    await backend.stop()
    let plan = ConstantLoad.Plan(address: backend.address, targets: [LoadTarget(host: "gone")], pace: .perSecond(200))
    let (_, report) = try await ConstantLoad.run(plan) { try await $0.pass(requests: 10) }
    #expect(report.failed == report.requests)
    #expect(report.failures.first?.reason.hasPrefix("connect:") == true)
  }

  @Test("A wait that is never fulfilled ends with an error that names it")
  func waitsBounded() async throws {
    let backend = try await Backend.start("one")
    let plan = ConstantLoad.Plan(address: backend.address, targets: [LoadTarget(host: "one")])
    let error = await #expect(throws: HarnessError.self) {
      try await ConstantLoad.run(plan) { load in
        try await load.next("an answer from nobody", within: .milliseconds(100)) { $0.backend == "nobody" }
      }
    }
    #expect(error?.code == .timeout)
    #expect(error?.message.hasPrefix("an answer from nobody") == true)
    await backend.stop()
  }

  @Test("Percentiles are within 4 % of the truth")
  func percentiles() {
    var histogram = LatencyHistogram()
    for microseconds in 1...10_000 { histogram.add(.microseconds(microseconds)) }
    #expect(histogram.count == 10_000)
    #expect(histogram.maximum == .milliseconds(10))
    for part in [0.01, 0.5, 0.9, 0.99] {
      let exact = Duration.microseconds(Int(part * 10_000))
      #expect(histogram.percentile(part) <= exact)
      #expect(histogram.percentile(part) >= exact * 0.96)
    }
    #expect(LatencyHistogram().percentile(0.5) == .zero)
  }
}
