import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

struct RouteTests {
  func routes(_ http: [HTTPRoute], _ others: [Edit] = [], port: UInt16 = 80) throws -> [Rendered] {
    let compiler = compiler([service("shop/a"), virtualService("shop/a", hosts: ["a"], http)] + others)
    return try #require(try compiler.generation.virtualHosts()["a:\(port)|shop"])["routes"].list
  }

  @Test func matches() throws {
    let match = HTTPMatch(
      name: "m", uri: .prefix("/Api"), ignoreURICase: true, method: .exact("GET"), authority: .regex("a.*"),
      headers: ["x-b": .present, "x-a": .exact("1")], withoutHeaders: ["x-c": .prefix("no")],
      queryParameters: ["q": .exact("2"), "p": .present])
    let routes = try routes([
      HTTPRoute(name: "r", matches: [match], destinations: [RouteDestination(host: "a")]),
      HTTPRoute(
        matches: [HTTPMatch(uri: .exact("/e")), HTTPMatch(uri: .regex("/x/.*"))],
        destinations: [RouteDestination(host: "a")]),
      HTTPRoute(destinations: [RouteDestination(host: "a")]),
    ])
    #expect(routes.count == 4)
    let first = routes[0]
    #expect(first["name"].text == "r.m")
    #expect(first["match.prefix"].text == "/Api")
    #expect(first["match.caseSensitive"].value as? Bool == false)
    let headers = first["match.headers"].list
    #expect(headers.map { $0["name"].text } == [":method", ":authority", "x-a", "x-b", "x-c"])
    #expect(headers[0]["stringMatch.exact"].text == "GET")
    #expect(headers[1]["stringMatch.safeRegex.regex"].text == "a.*")
    #expect(headers[3]["presentMatch"].value as? Bool == true)
    #expect(headers[4]["stringMatch.prefix"].text == "no")
    #expect(headers[4]["invertMatch"].value as? Bool == true)
    #expect(headers[4]["treatMissingHeaderAsEmpty"].value as? Bool == true, "without the header it matches as well")
    #expect(first["match.queryParameters"].list.map { $0["name"].text } == ["p", "q"])
    #expect(Set(routes[1...2].map { $0["match.path"].text ?? $0["match.safeRegex.regex"].text }) == ["/e", "/x/.*"])
    #expect(routes[3]["match.prefix"].text == "/")
  }

  @Test func orderOfAlternativesAndDestinationsMeansNothing() throws {
    let matches = [HTTPMatch(uri: .exact("/b")), HTTPMatch(uri: .prefix("/a")), HTTPMatch(headers: ["x": .present])]
    let destinations = [
      RouteDestination(host: "a", subset: "v2", weight: 1), RouteDestination(host: "a", subset: "v1", weight: 3),
    ]
    let compiler = compiler([
      service("shop/a"),
      virtualService("shop/a", hosts: ["a"], [HTTPRoute(matches: matches, destinations: destinations)]),
    ])
    let before = compiler.generation
    let reordered = [HTTPRoute(matches: matches.reversed(), destinations: destinations.reversed())]
    #expect(compiler.apply([virtualService("shop/a", hosts: ["a"], reordered)]) === before)
  }

  @Test func portOfTheMatchChoosesTheVirtualHost() throws {
    let ports: [Edit] = [service("shop/a", [port(80, "http", .http), port(81, "http-b", .http)])]
    let http = [
      HTTPRoute(matches: [HTTPMatch(uri: .exact("/x"), port: 81)], destinations: [RouteDestination(host: "a")]),
      HTTPRoute(destinations: [RouteDestination(host: "a")]),
    ]
    #expect(try routes(http, ports).count == 1)
    let other = try routes(http, ports, port: 81)
    #expect(other.count == 2)
    #expect(other[0]["route.cluster"].text == "outbound|81||a.shop.svc.cluster.local")
  }

  @Test func destinationPortWhereNoneIsWritten() throws {
    let services: [Edit] = [
      service("shop/one", [port(9000, "http", .http)]),
      service("shop/two", [port(80, "http", .http), port(9000, "http-b", .http)]),
      service("shop/else", [port(9001, "db", .tcp), port(9002, "http", .http)]),
    ]
    func cluster(_ host: String, _ port: UInt16? = nil) throws -> String? {
      let http = [HTTPRoute(destinations: [RouteDestination(host: host, port: port)])]
      return try routes(http, services)[0]["route.cluster"].text
    }
    #expect(try cluster("one") == "outbound|9000||one.shop.svc.cluster.local")
    #expect(try cluster("two") == "outbound|80||two.shop.svc.cluster.local")
    #expect(try cluster("two", 9000) == "outbound|9000||two.shop.svc.cluster.local")
    #expect(try cluster("else") == "outbound|9002||else.shop.svc.cluster.local")
    #expect(try cluster("absent.bank") == "outbound|80||absent.bank.svc.cluster.local")
    #expect(try cluster("www.example.com") == "outbound|80||www.example.com")
  }

  @Test func weights() throws {
    func action(_ weights: [(String, UInt32)]) throws -> Rendered {
      try routes([HTTPRoute(destinations: weights.map { RouteDestination(host: "a", subset: $0.0, weight: $0.1) })])[0]
    }
    let two = try action([("v2", 30), ("v1", 70)])["route.weightedClusters.clusters"].list
    #expect(
      two.map { $0["name"].text } == [
        "outbound|80|v1|a.shop.svc.cluster.local", "outbound|80|v2|a.shop.svc.cluster.local",
      ])
    #expect(two.map { $0["weight"].number } == [70, 30])
    #expect(try action([("v2", 0), ("v1", 70)])["route.cluster"].text == "outbound|80|v1|a.shop.svc.cluster.local")
    #expect(try action([("v2", 0)])["route.cluster"].text == "outbound|80|v2|a.shop.svc.cluster.local")
    #expect(try action([("v2", 0), ("v1", 0)])["directResponse.status"].number == 503)
    let merged = try action([("v1", 1), ("v1", 2), ("v2", 3)])["route.weightedClusters.clusters"].list
    #expect(merged.map { $0["weight"].number } == [3, 3])
  }

  @Test func referencesAreWhatTheRoutesName() throws {
    let compiler = compiler([
      service("shop/a"), service("shop/b"), virtualService("shop/a", hosts: ["a"], split("a", 50)),
    ])
    let resource = try #require(compiler.generation.table(.route, for: shopClass)?["outbound"])
    for cluster in ["outbound|80|v1|a", "outbound|80|v2|a", "outbound|80||b"] {
      #expect(resource.references("\(cluster).shop.svc.cluster.local"))
    }
    #expect(!resource.references("outbound|80||a.shop.svc.cluster.local"))
    compiler.apply([virtualService("shop/a", hosts: ["a"], split("a", 100))])
    let next = try #require(compiler.generation.table(.route, for: shopClass)?["outbound"])
    #expect(!next.references("outbound|80|v2|a.shop.svc.cluster.local"))
  }

  @Test func timeoutAndRetries() throws {
    func action(_ retries: HTTPRetry?, timeout: UInt64? = nil) throws -> Rendered {
      try routes([
        HTTPRoute(destinations: [RouteDestination(host: "a")], timeoutMilliseconds: timeout, retries: retries)
      ])[0]["route"]
    }
    #expect(try action(nil, timeout: 1500)["timeout"].text == "1.500s")
    #expect(try action(HTTPRetry(attempts: 0))["retryPolicy"].value == nil)
    // Without conditions of its own a rule has the default's, and no status code.
    let bare = try action(HTTPRetry(attempts: 7))["retryPolicy"]
    #expect(bare["retryOn"].text == "connect-failure,refused-stream,unavailable,cancelled")
    #expect(bare["numRetries"].number == 7)
    #expect(bare["retriableStatusCodes"].value == nil)
    let own = try action(
      HTTPRetry(attempts: 5, perTryTimeoutMilliseconds: 250, retryOn: "503, gateway-error,429"))["retryPolicy"]
    #expect(own["numRetries"].number == 5)
    #expect(own["perTryTimeout"].text == "0.250s")
    #expect(own["retryOn"].text == "gateway-error,retriable-status-codes")
    #expect(own["retriableStatusCodes"].list.map { $0.number } == [429, 503])
  }

  @Test func consistentHashReachesTheRoute() throws {
    let rule = destinationRule(
      "shop/a", host: "a", .consistentHash(key: .header("x-user"), table: .ring(minimumSize: 1024)),
      subsets: [
        .init(
          name: "v1", labels: [:],
          loadBalancer: .consistentHash(
            key: .cookie(name: "c", path: "/", ttlMilliseconds: 0), table: .maglev(tableSize: nil)))
      ])
    let plain = try compiler([service("shop/a"), rule]).generation.virtualHosts()["a:80|shop"]?["routes.0.route"]
    #expect(plain?["hashPolicy.0.header.headerName"].text == "x-user")
    let subset = try routes([HTTPRoute(destinations: [RouteDestination(host: "a", subset: "v1")])], [rule])[0]
    #expect(subset["route.hashPolicy.0.cookie.name"].text == "c")
    #expect(subset["route.hashPolicy"].list.count == 1)
  }
}
