import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

/// Virtual hosts as resources of their own.
@Suite struct HostByHostTests {
  private static func compiled(_ edits: [Edit]) -> TrafficCompiler {
    let compiler = TrafficCompiler(checksReads: true)
    compiler.addClass(hostByHostClass)
    compiler.apply(edits)
    return compiler
  }

  private static let reviews = "outbound-vhds/reviews.shop.svc.cluster.local:80"

  /// Envoy removes a host by the name that it has in it.
  @Test func aHostIsNamedAsItsResource() throws {
    let hosts = try Self.compiled([service("shop/reviews"), service("bank/ledger")]).generation.hostsAlone()
    #expect(hosts.keys.sorted() == ["outbound-vhds/ledger.bank.svc.cluster.local:80", Self.reviews])
    for (name, host) in hosts { #expect(host["name"].text == name) }
  }

  @Test func aServiceOfTheNamespaceHasTheShortNamesToo() throws {
    let compiler = Self.compiled([service("shop/reviews"), service("bank/ledger")])
    let hosts = try compiler.generation.hostsAlone()
    let long = ["reviews.shop.svc.cluster.local", "reviews.shop.svc", "reviews.shop"]
    #expect(Set(hosts[Self.reviews]?["domains"].texts ?? []) == Set((long + ["reviews"]).flatMap { [$0, "\($0):80"] }))
    let ledger = hosts["outbound-vhds/ledger.bank.svc.cluster.local:80"]?["domains"].texts ?? []
    #expect(!ledger.contains("ledger") && ledger.contains("ledger.bank"))
    // The hosts have the routes that they have in the route table.
    let inTable = try compiler.generation.virtualHosts(for: hostByHostClass)
    let route = "routes.0.route.cluster"
    #expect(hosts[Self.reviews]?[route].text == inTable["reviews.shop.svc.cluster.local:80"]?[route].text)
  }

  @Test func oneChangedRouteIsOneChangedHost() throws {
    let services = (0..<50).map { service("shop/s\($0)") }
    let subsets = [destinationRule("shop/reviews", host: "reviews", subsets: versions)]
    let compiler = Self.compiled(
      services + subsets + [
        service("shop/reviews"), virtualService("shop/reviews", hosts: ["reviews"], split("reviews", 10)),
      ])
    let before = compiler.generation
    let after = compiler.apply([virtualService("shop/reviews", hosts: ["reviews"], split("reviews", 20))])
    var changed: [String] = []
    PersistentTree.changes(from: try #require(before.hosts).tree, to: try #require(after.hosts).tree) { _, new in
      changed.append(new?.name ?? "")
    }
    #expect(changed == [Self.reviews])
    #expect(try #require(after.hosts).keys(referencing: "outbound|80|v1|reviews.shop.svc.cluster.local").count == 1)
  }

  @Test func hostsComeAndGoWithServicesAndShortNamesWithPorts() throws {
    let compiler = Self.compiled([service("shop/reviews")])
    compiler.apply([service("shop/reviews", [port(80, "http", .http), port(8080, "web", .http)])])
    var hosts = try compiler.generation.hostsAlone()
    #expect(hosts.count == 2)
    let web = "outbound-vhds/reviews.shop.svc.cluster.local:8080"
    #expect(hosts[web]?["domains"].texts.contains("reviews:8080") == true)
    #expect(hosts[web]?["domains"].texts.contains("reviews") == false)
    // The domains without a port pass to the port that is left.
    compiler.apply([service("shop/reviews", [port(8080, "web", .http)])])
    hosts = try compiler.generation.hostsAlone()
    #expect(hosts.keys.sorted() == [web])
    #expect(hosts[web]?["domains"].texts.contains("reviews") == true)
    compiler.apply([.delete(ObjectKey(.service, id("shop/reviews")))])
    #expect(try compiler.generation.hostsAlone().isEmpty)
  }

  @Test func aClassThatCannotTakeThemHasNone() {
    let compiler = TrafficCompiler(checksReads: true)
    compiler.addClass(shopClass)
    compiler.apply([service("shop/reviews")])
    #expect(compiler.generation.table(.virtualHost, for: shopClass) == nil)
    // Both route tables are there, for a proxy that goes from one to the other.
    #expect(compiler.generation.names(.route) == ["outbound", "outbound-vhds"])
  }

  @Test func theListenersDifferInTheirRouteTable() throws {
    let tables = try #require(Self.compiled([]).generation.classes[hostByHostClass])
    let alone = try #require(tables.hostByHost)
    #expect(alone.routeTable == "outbound-vhds")
    #expect(alone.listeners.count == 1 && tables.listeners.count == 1)
    #expect(alone.listeners["outbound"]?.version != tables.listeners["outbound"]?.version)
  }
}

extension Generation {
  fileprivate var hosts: ResourceTable? { table(.virtualHost, for: hostByHostClass) }
}
