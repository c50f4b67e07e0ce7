import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

struct HostTests {
  /// No domain may be there twice: Envoy would refuse the whole RouteConfiguration.
  func checkDomains(_ generation: Generation, _ proxyClass: ProxyClass = shopClass) throws {
    let domains = try generation.virtualHosts(for: proxyClass).values.flatMap { $0["domains"].texts }
    #expect(Set(domains.map { $0.lowercased() }).count == domains.count)
  }

  @Test func everyFormOfAServicesName() throws {
    let compiler = compiler([
      service("shop/a", [port(8080, "http", .http), port(80, "web", .http), port(90, "db", .tcp)])
    ])
    compiler.addClass(otherClass)
    let hosts = try compiler.generation.virtualHosts()
    #expect(
      hosts.keys.sorted() == [
        "a.shop.svc.cluster.local:80", "a.shop.svc.cluster.local:8080", "a:8080|shop", "a:80|shop",
      ])
    #expect(
      hosts["a.shop.svc.cluster.local:80"]?["domains"].texts == [
        "a.shop.svc.cluster.local:80", "a.shop.svc.cluster.local", "a.shop.svc:80", "a.shop.svc", "a.shop:80", "a.shop",
      ])
    #expect(
      hosts["a.shop.svc.cluster.local:8080"]?["domains"].texts == [
        "a.shop.svc.cluster.local:8080", "a.shop.svc:8080", "a.shop:8080",
      ])
    #expect(hosts["a:80|shop"]?["domains"].texts == ["a:80", "a"])
    #expect(hosts["a:8080|shop"]?["domains"].texts == ["a:8080"])
    #expect(try compiler.generation.virtualHosts(for: otherClass).count == 2)
    try checkDomains(compiler.generation)
  }

  @Test func withoutPort80TheLowestIsTheDefault() throws {
    let compiler = compiler([
      service("shop/a", [port(9090, "http-b", .http), port(8080, "http-a", .http2), port(80, "db", .tcp)])
    ])
    let hosts = try compiler.generation.virtualHosts()
    #expect(hosts["a:8080|shop"]?["domains"].texts == ["a:8080", "a"])
    #expect(hosts["a:9090|shop"]?["domains"].texts == ["a:9090"])
  }

  @Test func plainRoute() throws {
    let route = try #require(
      try compiler([service("shop/a")]).generation.virtualHosts()["a:80|shop"]?["routes.0"])
    #expect(route["match.prefix"].text == "/")
    #expect(route["route.cluster"].text == "outbound|80||a.shop.svc.cluster.local")
    #expect(route["route.timeout"].text == "0s")
    let retry = route["route.retryPolicy"]
    #expect(retry["retryOn"].text == "connect-failure,refused-stream,unavailable,cancelled")
    #expect(retry["numRetries"].number == 2)
    #expect(retry["retriableStatusCodes"].value == nil, "a 503 may have done its work; a POST must not be repeated")
    #expect(retry["retryHostPredicate.0.name"].text == "envoy.retry_host_predicates.previous_hosts")
  }

  @Test(arguments: ["a", "a.shop", "a.shop.svc", "a.shop.svc.cluster.local", "A.Shop.svc.cluster.local"])
  func virtualServiceNamesTheServiceInAnyForm(host: String) throws {
    let compiler = compiler([
      service("shop/a"), service("shop/b"), virtualService("shop/rules", hosts: [host], all(to: "b")),
    ])
    let hosts = try compiler.generation.virtualHosts()
    #expect(hosts.count == 4)
    for name in ["a.shop.svc.cluster.local:80", "a:80|shop"] {
      #expect(hosts[name]?["routes.0.route.cluster"].text == "outbound|80||b.shop.svc.cluster.local")
    }
    try checkDomains(compiler.generation)
  }

  @Test func ownHostsComeAndGoWithTheirService() throws {
    let compiler = compiler([
      service("shop/b"),
      virtualService("shop/x", hosts: ["shop.example.com", "Shop.Example.com", "example.com", "a"], all(to: "b")),
    ])
    var hosts = try compiler.generation.virtualHosts()
    #expect(hosts["shop.example.com:80"]?["domains"].texts == ["shop.example.com", "shop.example.com:80"])
    #expect(hosts["example.com:80"]?["domains"].texts == ["example.com", "example.com:80"])
    #expect(
      hosts["a.shop.svc.cluster.local:80"]?["domains"].texts == [
        "a.shop.svc.cluster.local", "a.shop.svc.cluster.local:80",
      ])
    // Service `example` in namespace `com` takes its name over, with the rules, and so does `a`.
    compiler.apply([service("com/example"), service("shop/a")])
    hosts = try compiler.generation.virtualHosts()
    #expect(hosts["example.com:80"] == nil)
    #expect(hosts["example.com.svc.cluster.local:80"]?["domains"].texts.contains("example.com") == true)
    #expect(
      hosts["example.com.svc.cluster.local:80"]?["routes.0.route.cluster"].text
        == "outbound|80||b.shop.svc.cluster.local")
    #expect(hosts["a.shop.svc.cluster.local:80"]?["domains"].texts.count == 6)
    try checkDomains(compiler.generation)
    compiler.apply([.delete(ObjectKey(.service, id("shop/a")))])
    hosts = try compiler.generation.virtualHosts()
    #expect(hosts["a.shop.svc.cluster.local:80"]?["domains"].texts.count == 2)
    try checkDomains(compiler.generation)
  }

  @Test func firstVirtualServiceHasTheHost() throws {
    let compiler = compiler([
      service("shop/a"), service("shop/b"), service("shop/c"),
      virtualService(
        "admin/x", hosts: ["a.shop.svc.cluster.local", "www.example.com"], all(to: "b.shop.svc.cluster.local")),
      virtualService("shop/y", hosts: ["a"], all(to: "c")),
      virtualService("zoo/z", hosts: ["www.example.com"], all(to: "c.shop.svc.cluster.local")),
    ])
    let hosts = try compiler.generation.virtualHosts()
    #expect(hosts["a:80|shop"]?["routes.0.route.cluster"].text == "outbound|80||c.shop.svc.cluster.local")
    #expect(hosts["www.example.com:80"]?["routes.0.route.cluster"].text == "outbound|80||b.shop.svc.cluster.local")
    let conflicts = compiler.problems.filter { $0.object?.kind == .virtualService }
    #expect(conflicts.map { $0.object?.id } == [id("admin/x"), id("zoo/z")])
    #expect(conflicts[0].message.contains("shop/y") && conflicts[0].message.contains("admin/x"))
    #expect(conflicts[1].message.contains("admin/x") && conflicts[1].message.contains("zoo/z"))
    compiler.apply([.delete(ObjectKey(.virtualService, id("shop/y")))])
    #expect(
      try compiler.generation.virtualHosts()["a:80|shop"]?["routes.0.route.cluster"].text
        == "outbound|80||b.shop.svc.cluster.local")
  }

  @Test func wildcardsCoverServicesThatNobodyNames() throws {
    let compiler = compiler([
      service("shop/a"), service("shop/b"), service("bank/c"),
      virtualService("shop/exact", hosts: ["b"], all(to: "exact")),
      virtualService("shop/wide", hosts: ["*.cluster.local"], all(to: "wide")),
      virtualService("shop/long", hosts: ["*.shop.svc.cluster.local"], all(to: "long")),
    ])
    func cluster(_ host: String) throws -> String? {
      try compiler.generation.virtualHosts()["\(host):80"]?["routes.0.route.cluster"].text
    }
    #expect(try cluster("a.shop.svc.cluster.local") == "outbound|80||long.shop.svc.cluster.local")
    #expect(try cluster("b.shop.svc.cluster.local") == "outbound|80||exact.shop.svc.cluster.local")
    #expect(try cluster("c.bank.svc.cluster.local") == "outbound|80||wide.shop.svc.cluster.local")
    #expect(
      try compiler.generation.virtualHosts()["*.cluster.local:80"]?["domains"].texts == [
        "*.cluster.local", "*.cluster.local:80",
      ])
    compiler.apply([
      .delete(ObjectKey(.virtualService, id("shop/long"))), virtualService("shop/star", hosts: ["*"], all(to: "star")),
    ])
    #expect(try cluster("a.shop.svc.cluster.local") == "outbound|80||wide.shop.svc.cluster.local")
    compiler.apply([.delete(ObjectKey(.virtualService, id("shop/wide")))])
    #expect(try cluster("a.shop.svc.cluster.local") == "outbound|80||star.shop.svc.cluster.local")
    #expect(try compiler.generation.virtualHosts()["*:80"]?["domains"].texts == ["*"])
    try checkDomains(compiler.generation)
  }

  @Test func namesThatWouldCollideAreLeftOut() throws {
    let compiler = compiler([
      service("a.svc/b"), service("a/b"), service("svc/b"),
      virtualService("shop/x", hosts: ["b.svc", "b.a.svc"], all(to: "b.a.svc.cluster.local")),
    ])
    try checkDomains(compiler.generation)
    let hosts = try compiler.generation.virtualHosts()
    #expect(hosts.keys.sorted() == ["b.a.svc.cluster.local:80", "b.svc.svc.cluster.local:80"])
    #expect(
      compiler.problems.contains { $0.object == ObjectKey(.service, id("a.svc/b")) && $0.field == "metadata.name" })
  }

  @Test func weightRebuildsItsHostOnly() {
    let many: [Edit] = (0..<20).flatMap {
      [service("shop/s\($0)"), virtualService("shop/s\($0)", hosts: ["s\($0)"], split("s\($0)", 50))]
    }
    let compiler = compiler(many)
    let before = compiler.generation
    let ran = runs(compiler) { compiler.apply([virtualService("shop/s7", hosts: ["s7"], split("s7", 40))]) }
    #expect(ran == ["serviceHosts[shop/s7]", "writtenHosts[shop/s7]"])
    #expect(before.endpoints.tree.isIdentical(to: compiler.generation.endpoints.tree))
    #expect(compiler.generation.number == before.number + 1)
    // The same again is nothing.
    let same = compiler.generation
    #expect(compiler.apply([virtualService("shop/s7", hosts: ["s7"], split("s7", 40))]) === same)
  }
}
