import EnvoyHarness
import Foundation

/// The scripted tour: what `make run CHECK=1` asserts. It throws at the first thing that is not as it should be.
struct ShopCheck {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  let shop: Shop
  private static let rate = 300

  func run() async throws {
    step("each service answers")
    for service in Shop.services {
      for host in [service, "\(service).shop", "\(service).shop.svc.cluster.local", "\(service):80"] {
        let response = try await HTTPCall.get(shop.outbound, "/", host: host)
        try expect(response.status == 200, "\(host) answered \(response.status) \(response.body)")
        let backend = response.headers.first(name: "x-backend") ?? ""
        try expect(backend.hasPrefix(service), "\(host) was answered by '\(backend)'")
      }
      say("  \(service): 200, by each of 4 names")
    }
    let tester = try await HTTPCall.get(shop.outbound, "/", host: "reviews", headers: ["x-tester": "yes"])
    try expect(tester.headers.first(name: "x-version") == "v2", "x-tester does not lead to reviews v2")
    let beta = try await HTTPCall.get(shop.outbound, "/orders/beta", host: "orders")
    try expect(beta.headers.first(name: "x-version") == "v2", "/orders/beta does not lead to orders v2")
    let line = try await TCPCall.exchange(shop.ledger, line: "hello")
    try expect(line == "ledger-v1-a: hello", "the ledger said '\(line)'")
    say("  reviews and orders by header and path: v2; ledger over TCP: '\(line)'")

    let targets = Shop.services.map { LoadTarget(host: $0) }
    // This Envoy retries, as the routes say; its counters tell whether it had to. None of the tour's clusters goes away.
    let plan = ConstantLoad.Plan(
      address: shop.outbound, targets: targets, pace: .perSecond(Self.rate), envoy: shop.envoy, sampling: nil)
    step("\(Self.rate) requests a second go to all services from here on, to the end")
    let (_, report) = try await ConstantLoad.run(plan) { load in
      try await load.pass(requests: Self.rate)
      try await shiftWeights(load)
      let added = try await addEndpoint(load)
      try await removeEndpoint(load, added: added)
    }
    say("\n\(report.summary)")
    try expect(report.complaints.isEmpty, report.complaints.joined(separator: "\n"))
    try expect(report.requests > 3 * Self.rate, "only \(report.requests) requests: too few to say anything")
    let problems = try await shop.weir.page("/v1/problems")
    say("problems that Weir reports: \(problems.trimmingCharacters(in: .whitespacesAndNewlines))")
  }

  // MARK: The steps

  private func shiftWeights(_ load: ConstantLoad) async throws {
    step("reviews goes from 90:10 to 50:50, and to 0:100")
    try await edit("reviews.yaml", from: ("weight: 90", "weight: 10"), to: ("weight: 50", "weight: 50"))
    try await envoyHolds("weights 50, 50") { $0 == [50, 50] }
    let half = try await shares(of: "reviews", over: 400, load)
    say("  50:50 gave v1=\(half["v1", default: 0]) v2=\(half["v2", default: 0])")
    // Of 400 fair draws, fewer than 140 on one side come once in ten thousand million.
    try expect(half.values.allSatisfy { $0 >= 140 } && half.count == 2, "that is not 50:50")

    try await edit("reviews.yaml", from: ("weight: 50", "weight: 50"), to: ("weight: 0", "weight: 100"))
    try await envoyHolds("weights 0, 100, or all to v2") { $0 == [0, 100] || $0 == [100] || $0.isEmpty }
    let all = try await shares(of: "reviews", over: 200, load)
    say("  0:100 gave v1=\(all["v1", default: 0]) v2=\(all["v2", default: 0])")
    try expect(Set(all.keys) == ["v2"], "v1 still gets requests")
  }

  /// Adds a pod to the catalog in a slice of its own, as Kubernetes does when a slice is full.
  private func addEndpoint(_ load: ConstantLoad) async throws -> String {
    step("catalog gets a third endpoint")
    let port = try shop.manifests.read("catalog.yaml").firstMatch(of: /\n  port: (\d+)\n/).flatMap { Int($0.1) } ?? 0
    try await shop.backends.start("catalog-v1-c", version: "v1", ip: "127.10.2.3", port: port)
    let began = ContinuousClock.now
    try writeExtra(state: .ready, port: port)
    try await load.next("an answer of the new endpoint") { $0.backend == "catalog-v1-c" }
    let delay = (ContinuousClock.now - began).milliseconds
    say("  the new endpoint answered its first request \(delay) ms after the write")
    return "127.10.2.3:\(port)"
  }

  private func removeEndpoint(_ load: ConstantLoad, added: String) async throws {
    step("catalog's third endpoint drains, and goes; then its second is taken out at once")
    let port = Int(added.split(separator: ":")[1]) ?? 0
    try writeExtra(state: .draining, port: port)
    try await endpoints("the third endpoint draining") { $0.first { $0.address == added }?.health != "HEALTHY" }
    try shop.manifests.remove("catalog-extra.yaml")
    try await endpoints("the third endpoint gone") { !$0.contains { $0.address == added } }
    try await noneMore(at: added, load)

    let second = "127.10.2.2:\(port)"
    try shop.manifests.edit("catalog.yaml") { text in
      let list = text.components(separatedBy: "\n- addresses:")
      text = list.enumerated().compactMap { index, part -> String? in
        guard index > 0 else { return part }
        guard part.contains("\"127.10.2.2\"") else { return "\n- addresses:" + part }
        // What follows the last endpoint in its document stays.
        return part.range(of: "\n---").map { String(part[$0.lowerBound...]) } ?? ""
      }.joined()
    }
    try await endpoints("the second endpoint gone") { !$0.contains { $0.address == second } }
    try await noneMore(at: second, load)
    say("  both had their last request before Envoy let go of them; catalog goes on with one")
  }

  // MARK: What they are made of

  private func writeExtra(state: EndpointSliceManifest.Endpoint.State, port: Int) throws {
    try shop.manifests.write(
      "catalog-extra.yaml",
      [
        PodManifest("catalog-v1-c", namespace: "shop", labels: ["app": "catalog", "version": "v1"]),
        EndpointSliceManifest(
          "catalog-2", namespace: "shop", service: "catalog", ports: ["http": port],
          endpoints: [.init("127.10.2.3", state: state, pod: "catalog-v1-c", zone: "local-a")]),
      ])
  }

  private func edit(_ file: String, from: (String, String), to: (String, String)) async throws {
    try shop.manifests.edit(file) { text in
      guard let first = text.range(of: from.0) else { return }
      text.replaceSubrange(first, with: to.0)
      let after = text.index(first.lowerBound, offsetBy: to.0.count)
      guard let second = text.range(of: from.1, range: after..<text.endIndex) else { return }
      text.replaceSubrange(second, with: to.1)
    }
  }

  /// Waits until the last route of reviews in Envoy has weights that satisfy `holds`.
  private func envoyHolds(_ what: String, _ holds: ([Int]) -> Bool) async throws {
    try await poll("reviews with \(what) in Envoy") {
      let hosts = try await shop.envoy.routeConfiguration("outbound")["virtual_hosts"].array
      let reviews = hosts.first { $0["domains"].array.contains(.string("reviews.shop.svc.cluster.local")) }
      guard let route = reviews?["routes"].array.last?["route"] else { return false }
      return holds(route["weighted_clusters"]["clusters"].array.map { $0["weight"].integer ?? 0 })
    }
  }

  private func endpoints(_ what: String, _ holds: ([EnvoyProcess.Host]) -> Bool) async throws {
    try await poll(what) {
      holds(try await shop.envoy.hosts()["outbound|80||catalog.shop.svc.cluster.local"] ?? [])
    }
  }

  /// How many of the next requests to a service each version answers.
  private func shares(of host: String, over count: Int, _ load: ConstantLoad) async throws -> [String: Int] {
    // What was sent before the change may still be on its way.
    try await load.pass(requests: 2 * Shop.services.count)
    let before = try await load.report().versions[host] ?? [:]
    try await load.pass(requests: count * Shop.services.count)
    let after = try await load.report().versions[host] ?? [:]
    return after.merging(before) { $0 - $1 }.filter { $0.value > 0 }
  }

  private func noneMore(at address: String, _ load: ConstantLoad) async throws {
    try await load.pass(requests: 4 * Shop.services.count)
    let before = await shop.backends.requests(at: address)
    try await load.pass(requests: Self.rate)
    let after = await shop.backends.requests(at: address)
    try expect(before == after, "\(address) still gets requests: \(after - before)")
    await shop.backends.stop(address)
  }

  private func step(_ text: String) { say("\n* \(text)") }

  private func expect(_ holds: Bool, _ failure: @autoclosure () -> String) throws {
    if !holds { throw Failure(description: failure()) }
  }
}
