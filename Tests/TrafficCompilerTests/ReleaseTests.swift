import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

/// What releases make of routes.
@Suite struct ReleaseTests {
  private let pods: [Edit] = [
    pod("shop/p1", ["version": "v1"]), pod("shop/p2", ["version": "v2"]), pod("shop/p3", ["version": "v3"]),
    slice(
      "shop/a-1", of: "a",
      [1, 2, 3].map { .init(addresses: ["10.0.0.\($0)"], pod: id("shop/p\($0)")) }),
  ]

  private func overlay(
    _ weight: Weight, port: UInt16? = nil, rules: [RequestRule] = [], mirror: Weight = .none,
    stickiness: Stickiness? = nil, formerSubsets: Set<String> = [], ownRoutes: Set<String> = []
  ) -> ReleaseOverlay {
    ReleaseOverlay(
      port: port, stable: versions[0], candidate: versions[1], weight: weight, rules: rules, mirror: mirror,
      stickiness: stickiness, formerSubsets: formerSubsets, ownRoutes: ownRoutes)
  }

  /// A compiler with service `a`, three versions, and these routes.
  private func world(_ http: [HTTPRoute]? = nil, _ others: [Edit] = []) -> TrafficCompiler {
    compiler([service("shop/a")] + pods + others + (http.map { [virtualService("shop/a", hosts: ["a"], $0)] } ?? []))
  }

  private func routes(_ compiler: TrafficCompiler, _ host: String = "a") throws -> [Rendered] {
    try #require(try compiler.generation.virtualHosts()["\(host):80|shop"])["routes"].list
  }

  /// The subsets of a route's destinations with their weights.
  private func shares(_ route: Rendered) -> [String: Int] {
    func subset(_ name: String?) -> String {
      let parts = (name ?? "").split(separator: "|", omittingEmptySubsequences: false)
      return parts.count == 4 ? (parts[3].hasPrefix("a.") ? "" : "\(parts[3].prefix { $0 != "." })/") + parts[2] : "?"
    }
    if let cluster = route["route.cluster"].text { return [subset(cluster): 1] }
    let pairs = route["route.weightedClusters.clusters"].list.map {
      (subset($0["name"].text), Int($0["weight"].number ?? 0))
    }
    return Dictionary(uniqueKeysWithValues: pairs)
  }

  @Test func withoutAnyRulesTheServiceIsDividedByVersions() throws {
    let compiler = world()
    let before = compiler.generation
    #expect(try compiler.generation.endpoints("outbound|80|v1|a.shop.svc.cluster.local") == nil)
    compiler.apply([], releases: [id("shop/a"): [overlay(0.05)]])
    #expect(compiler.generation.number == before.number + 1, "one change is one generation")
    #expect(shares(try routes(compiler)[0]) == ["v1": 9995, "v2": 5])
    #expect(
      try compiler.generation.endpoints("outbound|80|v2|a.shop.svc.cluster.local") == ["/": ["10.0.0.2:8080"]])
    compiler.apply([], releases: [id("shop/a"): [overlay(0)]])
    #expect(shares(try routes(compiler)[0]) == ["v1": 1])
    compiler.apply([], releases: [id("shop/a"): [overlay(100)]])
    #expect(shares(try routes(compiler)[0]) == ["v2": 1])
    compiler.apply([], releases: [id("shop/a"): []])
    #expect(compiler.generation.clusters.contentHash == before.clusters.contentHash)
    #expect(compiler.generation.classes[shopClass]?.routes.contentHash == before.classes[shopClass]?.routes.contentHash)
  }

  @Test func theWayBackIsMadeOfTheSameBytes() throws {
    let compiler = world(split("a", 100), [destinationRule("shop/a", host: "a", subsets: versions)])
    let before = compiler.generation
    func version(_ generation: Generation) throws -> String {
      try #require(generation.table(.route, for: shopClass)?["outbound"]).version
    }
    compiler.apply([], releases: [id("shop/a"): [overlay(20)]])
    let at20 = compiler.generation
    compiler.apply([], releases: [id("shop/a"): [overlay(0)]])
    #expect(try version(compiler.generation) == version(before), "as before the release")
    compiler.apply([], releases: [id("shop/a"): [overlay(20)]])
    #expect(try version(compiler.generation) == version(at20))
    #expect(compiler.generation.clusters.contentHash == before.clusters.contentHash)
  }

  @Test func aChangedWeightRunsTheHostAlone() {
    let compiler = world(split("a", 50), [destinationRule("shop/a", host: "a", subsets: versions)])
    compiler.apply([], releases: [id("shop/a"): [overlay(20)]])
    let ran = runs(compiler) { compiler.apply([], releases: [id("shop/a"): [overlay(21)]]) }
    #expect(ran == ["serviceHosts[shop/a]"])
    #expect(runs(compiler) { compiler.apply([], releases: [id("shop/a"): [overlay(21)]]) } == [])
  }

  @Test func theJointShareIsDividedAndOthersKeepTheirs() throws {
    let http = [
      HTTPRoute(
        destinations: [
          RouteDestination(host: "a", subset: "v1", weight: 50), RouteDestination(host: "a", subset: "v2", weight: 10),
          RouteDestination(host: "a", subset: "v3", weight: 15), RouteDestination(host: "b", weight: 25),
        ])
    ]
    let compiler = world(http, [service("shop/b")])
    compiler.apply([], releases: [id("shop/a"): [overlay(25)]])
    // 60, 15 and 25 in lowest terms are 12, 3 and 5.
    #expect(shares(try routes(compiler)[0]) == ["v1": 90_000, "v2": 30_000, "v3": 30_000, "b/": 50_000])
  }

  @Test func routesThatNameNeitherStayAsTheyAre() throws {
    let http = [
      HTTPRoute(
        matches: [HTTPMatch(uri: .prefix("/new"))], destinations: [RouteDestination(host: "a", subset: "v2")]),
      HTTPRoute(
        matches: [HTTPMatch(uri: .prefix("/old"))], destinations: [RouteDestination(host: "a", subset: "v3")]),
      HTTPRoute(matches: [HTTPMatch(uri: .prefix("/b"))], destinations: [RouteDestination(host: "b")]),
      HTTPRoute(
        matches: [HTTPMatch(uri: .prefix("/all"))], destinations: [RouteDestination(host: "a")],
        timeoutMilliseconds: 1500, retries: HTTPRetry(attempts: 7)),
    ]
    let compiler = world(http, [service("shop/b")])
    let before = try routes(compiler)
    let own = http[0].identity(in: id("shop/a"))
    compiler.apply([], releases: [id("shop/a"): [overlay(40, ownRoutes: [own])]])
    let after = try routes(compiler)
    #expect(after.map(shares) == [["v2": 1], ["v3": 1], ["b/": 1], ["v1": 6000, "v2": 4000]])
    for path in ["match.prefix", "route.timeout", "route.retryPolicy.retryOn"] {
      #expect(before.map { $0[path].text } == after.map { $0[path].text })
    }
    #expect(after[3]["route.retryPolicy.numRetries"].number == 7)
  }

  @Test func aRouteThatIsTurnedToTheCandidateIsDividedAllTheSame() throws {
    func http(_ subset: String, _ match: String) -> [HTTPRoute] {
      [
        HTTPRoute(
          name: subset, matches: [HTTPMatch(uri: .exact("/x")), HTTPMatch(uri: .prefix(match))],
          destinations: [RouteDestination(host: "a", subset: subset)])
      ]
    }
    let own = http("v2", "/new")[0].identity(in: id("shop/a"))
    let compiler = world(http("v1", "/new"), [destinationRule("shop/a", host: "a", subsets: versions)])
    compiler.apply([], releases: [id("shop/a"): [overlay(40)]])
    func edited(_ http: [HTTPRoute]) throws -> [String: Int] {
      compiler.apply([virtualService("shop/a", hosts: ["a"], http)])
      return shares(try routes(compiler)[0])
    }
    #expect(try edited(http("v2", "/new")) == ["v1": 6000, "v2": 4000])
    // Of its owner's will before the release, by which requests it takes, however they are listed.
    compiler.apply([], releases: [id("shop/a"): [overlay(40, ownRoutes: [own])]])
    #expect(try edited(http("v2", "/new")) == ["v2": 1])
    var turned = http("v2", "/new")
    turned[0].matches.reverse()
    turned[0].name = "other"
    #expect(try edited(turned) == ["v2": 1])
    #expect(try edited(http("v1", "/new")) == ["v1": 6000, "v2": 4000])
    #expect(try edited(http("v2", "/newer")) == ["v1": 6000, "v2": 4000], "it is another route")
    #expect(try edited(http("v3", "/new")) == ["v3": 1])
    // What an earlier release has moved is named still.
    compiler.apply([], releases: [id("shop/a"): [overlay(40, formerSubsets: ["v3"])]])
    #expect(shares(try routes(compiler)[0]) == ["v1": 6000, "v2": 4000])
  }

  @Test func noTwoMatchesHaveOneIdentity() {
    let matches: [[HTTPMatch]] = [
      [], [HTTPMatch()], [HTTPMatch(), HTTPMatch()], [HTTPMatch(uri: .exact("/"))], [HTTPMatch(uri: .prefix("/"))],
      [HTTPMatch(uri: .exact("/"), ignoreURICase: true)], [HTTPMatch(method: .exact("/"))],
      [HTTPMatch(authority: .exact("/"))], [HTTPMatch(headers: ["a": .exact("/")])],
      [HTTPMatch(headers: ["a": .present])], [HTTPMatch(withoutHeaders: ["a": .present])],
      [HTTPMatch(queryParameters: ["a": .present])], [HTTPMatch(port: 80)], [HTTPMatch(uri: .regex("/"))],
      [HTTPMatch(headers: ["a": .present, "b": .present])], [HTTPMatch(headers: ["a\" present, header \"b": .present])],
    ]
    let identities = matches.map { HTTPRoute(matches: $0, destinations: []).identity(in: id("shop/a")) }
    #expect(Set(identities).count == matches.count, "\(identities)")
    let other = HTTPRoute(destinations: []).identity(in: id("shop/b"))
    #expect(!identities.contains(other))
  }

  @Test func aPreviewTakesNoHostAndShowsTheCandidateAlone() throws {
    let preview = NamespacedName(previewOf: "r-1", namespace: "a")
    let route = HTTPRoute(destinations: [RouteDestination(host: "a.shop", subset: "v2")])
    let compiler = compiler(
      [service("shop/a")] + pods + [
        .upsert(.virtualService(VirtualService(id: preview, hosts: ["p.example"], http: [route])))
      ])
    compiler.apply([], releases: [id("shop/a"): [overlay(0)]])
    func shares() throws -> [String: Int] {
      self.shares(try #require(try compiler.generation.virtualHosts()["p.example:80"]?["routes"].list.first))
    }
    #expect(try shares() == ["v2": 1])
    #expect(compiler.owner(ofHost: "p.example") == ObjectKey(.virtualService, preview))
    // A VirtualService of that host comes first, whatever its name is.
    let own = [HTTPRoute(destinations: [RouteDestination(host: "a.shop", subset: "v3")])]
    compiler.apply([virtualService("zoo/p", hosts: ["P.example"], own)])
    #expect(try shares() == ["v3": 1])
    #expect(compiler.owner(ofHost: "p.Example") == ObjectKey(.virtualService, id("zoo/p")))
    // And so does a service.
    compiler.apply([.delete(ObjectKey(.virtualService, id("zoo/p"))), service("example/p")])
    #expect(compiler.owner(ofHost: "p.example") == ObjectKey(.service, id("example/p")))
    let host = try #require(try compiler.generation.virtualHosts()["p.example.svc.cluster.local:80"])
    #expect(host["routes.0.route.cluster"].text == "outbound|80||p.example.svc.cluster.local")
    #expect(compiler.owner(ofHost: "q.example") == nil)
  }

  @Test func rulesComeBeforeWhatTheyRefine() throws {
    let http = [
      HTTPRoute(
        name: "r", matches: [HTTPMatch(uri: .exact("/x"), headers: ["x-a": .present]), HTTPMatch(uri: .exact("/y"))],
        destinations: [RouteDestination(host: "a", subset: "v1")]),
      HTTPRoute(destinations: [RouteDestination(host: "b")]),
    ]
    let compiler = world(http, [service("shop/b")])
    let rules = [
      RequestRule(headers: ["x-a": .exact("1")]),
      RequestRule(cookies: ["g": .exact("a.b")], queryParameters: ["q": .present]),
    ]
    compiler.apply([], releases: [id("shop/a"): [overlay(10, rules: rules)]])
    let after = try routes(compiler)
    #expect(
      after.map(shares) == [
        ["v2": 1], ["v2": 1], ["v2": 1], ["v2": 1], ["v1": 9000, "v2": 1000], ["v1": 9000, "v2": 1000], ["b/": 1],
      ])
    #expect(after[0...5].map { $0["match.path"].text } == ["/x", "/y", "/x", "/y", "/x", "/y"])
    #expect(after[0]["match.headers"].list.map { $0["name"].text } == ["x-a", "x-a"], "both conditions hold")
    #expect(after[3]["match.headers.0.stringMatch.safeRegex.regex"].text == #"(?:.*;[ \t]*)?g=a\.b(?:[ \t]*;.*)?"#)
    #expect(after[3]["match.queryParameters.0.name"].text == "q")
  }

  @Test func aReleaseOfOnePortLeavesTheOthers() throws {
    let ports: [Edit] = [service("shop/a", [port(80, "http", .http), port(81, "http-b", .http)])]
    let compiler = world(nil, ports)
    compiler.apply([], releases: [id("shop/a"): [overlay(30, port: 81)]])
    let hosts = try compiler.generation.virtualHosts()
    #expect(shares(try #require(hosts["a:80|shop"]?["routes"].list.first)) == ["": 1])
    #expect(shares(try #require(hosts["a:81|shop"]?["routes"].list.first)) == ["v1": 7000, "v2": 3000])
  }

  @Test func mirrorsGetTheirShareAndAreWaitedFor() throws {
    let compiler = world()
    compiler.apply([], releases: [id("shop/a"): [overlay(0, mirror: 12.5)]])
    let route = try routes(compiler)[0]
    #expect(shares(route) == ["v1": 1])
    let mirror = route["route.requestMirrorPolicies.0"]
    #expect(mirror["cluster"].text == "outbound|80|v2|a.shop.svc.cluster.local")
    #expect(mirror["runtimeFraction.defaultValue.numerator"].number == 1250)
    #expect(mirror["runtimeFraction.defaultValue.denominator"].text == "TEN_THOUSAND")
    let table = try #require(compiler.generation.table(.route, for: shopClass)?["outbound"])
    #expect(table.references("outbound|80|v2|a.shop.svc.cluster.local"), "make before break knows of it")
  }

  @Test func aStickyCandidateComesFirstAndTheSumStays() throws {
    let compiler = world()
    var sums: Set<Int> = []
    for weight in [1, 20, 50, 99] {
      let share = try #require(Weight(percent: Double(weight)))
      compiler.apply(
        [], releases: [id("shop/a"): [overlay(share, stickiness: .cookie(name: "v", ttlSeconds: 60))]])
      let found = try routes(compiler)
      #expect(found.count == 2, "those who have the cookie, and those who get it")
      for route in found {
        let clusters = route["route.weightedClusters.clusters"].list
        #expect(clusters.map { $0["name"].text?.contains("|v2|") } == [true, false])
        #expect(route["route.weightedClusters.useHashPolicy"].value as? Bool == true)
        #expect(route["route.hashPolicy.0.terminal"].value as? Bool == true)
        sums.insert(clusters.reduce(0) { $0 + Int($1["weight"].number ?? 0) })
      }
      #expect(found[0]["match.headers.0.name"].text == "cookie")
      #expect(found[0]["route.hashPolicy.0.cookie.name"].text == "v")
      #expect(found[1]["route.hashPolicy.0.header.headerName"].text == "x-request-id")
      #expect(
        found[1]["responseHeadersToAdd.0.header.value"].text
          == "v=%REQ(X-REQUEST-ID)%; Max-Age=60; Path=/; HttpOnly")
    }
    #expect(sums == [10_000])
    compiler.apply([], releases: [id("shop/a"): [overlay(0, stickiness: .header("x-user"))]])
    #expect(shares(try routes(compiler)[0]) == ["v1": 1], "with one destination there is nothing to choose")
  }

  @Test func whatADestinationRuleSaysOfASubsetCounts() throws {
    let declared: [DestinationRule.Subset] = [
      .init(name: "v1", labels: ["version": "v3"]), .init(name: "v2", labels: ["version": "v2"]),
    ]
    let compiler = world(nil, [destinationRule("shop/a", host: "a", subsets: declared)])
    compiler.apply([], releases: [id("shop/a"): [overlay(50)]])
    let cluster = "outbound|80|v1|a.shop.svc.cluster.local"
    #expect(try compiler.generation.endpoints(cluster) == ["/": ["10.0.0.3:8080"]])
    #expect(compiler.declaredSubset("v1", of: id("shop/a"))?.labels == ["version": "v3"])
    #expect(compiler.problems.isEmpty)
    compiler.apply([.delete(ObjectKey(.destinationRule, id("shop/a")))])
    #expect(try compiler.generation.endpoints(cluster) == ["/": ["10.0.0.1:8080"]], "the release's own subset")
    #expect(compiler.declaredSubset("v1", of: id("shop/a")) == nil)
    #expect(shares(try routes(compiler)[0]) == ["v1": 5000, "v2": 5000])
  }

  @Test func readyEndpointsAreCountedByLabels() {
    let compiler = world()
    func ready(_ version: String) -> Int {
      compiler.readyEndpoints(of: id("shop/a"), port: nil, labels: ["version": version])
    }
    #expect(["v1", "v2", "v9"].map(ready) == [1, 1, 0])
    compiler.apply([], releases: [id("shop/a"): [overlay(50)]])
    _ = compiler.takeChangedCapacities()
    compiler.apply([pod("shop/p2", ["version": "v9"])])
    #expect(compiler.takeChangedCapacities() == [id("shop/a")])
    #expect(["v1", "v2", "v9"].map(ready) == [1, 0, 1])
    // The only endpoint of v1 drains; it is served all the same, and no longer ready.
    compiler.apply([
      slice("shop/a-1", of: "a", [.init(addresses: ["10.0.0.1"], state: .draining, pod: id("shop/p1"))])
    ])
    #expect(compiler.takeChangedCapacities() == [id("shop/a")])
    #expect(ready("v1") == 0)
    compiler.apply([.delete(ObjectKey(.endpointSlice, id("shop/a-1")))])
    #expect(compiler.takeChangedCapacities() == [id("shop/a")])
    compiler.apply([service("shop/b"), slice("shop/b-1", of: "b", [.init(addresses: ["10.0.0.9"])])])
    #expect(compiler.takeChangedCapacities() == [], "nobody releases b")
  }

  @Test func largeWeightsStayWithinWhatEnvoyTakes() throws {
    let http = [
      HTTPRoute(destinations: [
        RouteDestination(host: "a", subset: "v1", weight: 3_000_000_001),
        RouteDestination(host: "b", weight: 1_000_000_000),
      ])
    ]
    let compiler = world(http, [service("shop/b")])
    compiler.apply([], releases: [id("shop/a"): [overlay(0.01)]])
    let shares = shares(try routes(compiler)[0])
    #expect(shares == ["v1": 2_999_700_001, "v2": 300_000, "b/": 1_000_000_000])
  }
}
