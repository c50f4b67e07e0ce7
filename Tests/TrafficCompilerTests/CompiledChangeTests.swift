import IncrementalGraph
import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

@Suite struct CompiledChangeTests {
  private func slice(_ address: String) -> Edit {
    .upsert(
      .endpointSlice(
        EndpointSlice(
          id: id("shop/reviews-1"), service: "reviews", ports: [.init(name: "http", port: 8080)],
          endpoints: [.init(addresses: [address])])))
  }

  private func compiler(steps: Int) -> TrafficCompiler {
    let compiler = TrafficCompiler(checksReads: true)
    compiler.recordedSteps = steps
    compiler.apply([
      .upsert(
        .service(
          KubernetesService(
            id: id("shop/reviews"), ports: [.init(name: "http", port: 80, applicationProtocol: .http)]))),
      slice("10.0.0.1"),
    ])
    return compiler
  }

  @Test func aChangedResourceLeadsDownToItsEdit() throws {
    let compiler = compiler(steps: 100)
    _ = compiler.takeChange()
    compiler.apply([slice("10.0.0.2")])
    let change = try #require(compiler.takeChange())
    let name = "outbound|80||reviews.shop.svc.cluster.local"
    #expect(change.parts.map(\.name) == [name])
    #expect((change.parts[0].type, change.parts[0].step) == (.endpoint, 2))
    let chain = change.chain(of: change.parts[0])
    #expect(chain.map(\.unit) == ["assignments[\(name)]", "sliceParts[shop/reviews-1]", "slices[shop/reviews-1]"])
    #expect(chain.last?.kind == .edited)
    #expect(chain.last?.object == ObjectKey(.endpointSlice, id("shop/reviews-1")))
    #expect((change.generation, change.omittedSteps) == (compiler.generation.number, 0))
    #expect(compiler.takeChange() == nil)
  }

  @Test func aRouteNamesItsVirtualHost() throws {
    let compiler = compiler(steps: 100)
    _ = compiler.takeChange()
    compiler.apply([
      .upsert(
        .virtualService(
          VirtualService(
            id: id("shop/rules"), hosts: ["reviews"],
            http: [HTTPRoute(destinations: [RouteDestination(host: "reviews")], timeoutMilliseconds: 7)])))
    ])
    let change = try #require(compiler.takeChange())
    #expect(change.parts.map(\.name) == ["reviews.shop.svc.cluster.local:80"])
    #expect(change.parts.map(\.type) == [.route])
    #expect(
      change.chain(of: change.parts[0]).last?.object == ObjectKey(.virtualService, id("shop/rules")))
  }

  /// Routes are in a graph of their own, which is told of services and policies; who asks why sees the edit behind them.
  @Test func aRouteLeadsDownToServicesAndRules() throws {
    let compiler = compiler(steps: 100)
    _ = compiler.takeChange()
    let rule = DestinationRule(
      id: id("shop/rule"), host: "reviews",
      loadBalancer: .consistentHash(key: .header("x-user"), table: .ring(minimumSize: 1024)))
    func lastObject() throws -> (host: String, object: ObjectKey?) {
      let change = try #require(compiler.takeChange())
      let host = try #require(change.parts.first { $0.type == .route })
      return (host.name, change.chain(of: host).last?.object)
    }
    let host = "reviews.shop.svc.cluster.local:80"
    compiler.apply([.upsert(.destinationRule(rule))])
    #expect(try lastObject() == (host, ObjectKey(.destinationRule, rule.id)))
    compiler.apply([.delete(ObjectKey(.destinationRule, rule.id))])
    #expect(try lastObject() == (host, ObjectKey(.destinationRule, rule.id)))
    compiler.apply([.delete(ObjectKey(.service, id("shop/reviews")))])
    #expect(try lastObject() == (host, ObjectKey(.service, id("shop/reviews"))))
  }

  /// When the log is full, what is left of a large first batch is compiled by two threads, and counted.
  @Test func aLargeFirstBatchIsRecordedUntilTheLogIsFull() throws {
    let edits = (0..<20).flatMap { number in
      [
        service("shop/s\(number)"), destinationRule("shop/r\(number)", host: "s\(number)"),
        virtualService("shop/v\(number)", hosts: ["s\(number)"], split("s\(number)", 10)),
      ]
    }
    let whole = TrafficCompiler(checksReads: true)
    let inPortions = TrafficCompiler(checksReads: true)
    for compiler in [whole, inPortions] { compiler.addClass(shopClass) }
    inPortions.largeBatch = 1
    inPortions.servicesInPortion = 2
    inPortions.recordedSteps = 40
    whole.apply(edits)
    inPortions.apply(edits)
    #expect(try differences(whole.generation, inPortions.generation) == [])
    let change = try #require(inPortions.takeChange())
    #expect(change.steps.count == 40)
    #expect(change.omittedSteps > 40)
    // The next change is recorded as ever.
    inPortions.apply([virtualService("shop/v1", hosts: ["s1"], split("s1", 20))])
    #expect(inPortions.takeChange()?.parts.map(\.name) == ["s1.shop.svc.cluster.local:80", "s1:80|shop"])
  }

  @Test func whatIsRecordedIsBounded() throws {
    let compiler = compiler(steps: 4)
    let change = try #require(compiler.takeChange())
    #expect(change.steps.count == 4)
    #expect(change.omittedSteps > 0)
    #expect(change.parts.count <= 4)
    #expect(change.parts.allSatisfy { part in part.step.map { $0 < 4 } ?? true })
    // The next one has room again.
    compiler.apply([slice("10.0.0.3")])
    #expect(compiler.takeChange()?.omittedSteps == 0)
  }

  @Test func nothingIsRecordedUnlessAskedFor() {
    let compiler = compiler(steps: 0)
    #expect(compiler.takeChange() == nil)
    #expect(compiler.log.events.isEmpty)
  }

  @Test func anUndeclaredReadIsSeen() throws {
    for read in [("assignments", "sliceParts"), ("serviceHosts", "virtualServices")] {
      let compiler = TrafficCompiler(checksReads: true)
      var seen: [String] = []
      compiler.withdraw(read)
      compiler.onViolation { seen.append($0.description) }
      compiler.apply([
        .upsert(
          .service(
            KubernetesService(
              id: id("shop/reviews"), ports: [.init(name: "http", port: 80, applicationProtocol: .http)]))),
        slice("10.0.0.1"),
        .upsert(.virtualService(VirtualService(id: id("shop/reviews"), hosts: ["reviews"], http: []))),
      ])
      #expect(seen.first == "\(read.0) reads \(read.1), which it did not declare")
    }
  }
}
