import TrafficModel

/// Files with objects of few names, so that they meet, and random edits of these files.
///
/// The objects of a kind are in pools: an edit changes a part of what is there as often as it writes something new. A world
/// says what the files say; what of it is served, the gate decides.
struct RandomWorld {
  var random: SeededGenerator
  let services: Int
  private(set) var counts: [EditKind: Int] = [:]
  private var copies: Set<String> = []
  private var pools: [ObjectKind: ObjectPool<NamespacedName, TrafficObject>] = [:]

  init(seed: UInt64, services: Int) {
    random = SeededGenerator(state: seed)
    self.services = services
  }

  mutating func count(_ kind: EditKind) { counts[kind, default: 0] += 1 }

  /// The next edit: what a file says now.
  mutating func nextUpdate() -> SourceUpdate {
    if random.chance(12) { return deletion() }
    let (kind, object) = nextObject()
    let key = object.key
    let (file, copy) = ("\(key).yaml", "copy of \(key).yaml")
    switch random.number(0...99) {
    case 0...5:
      count(.broken)
      return SourceUpdate(
        origin: file, content: .documents([document(key, nil, in: file)], isComplete: true, problems: []))
    case 6...7:
      count(.brokenFile)
      let problem = Problem(.error, at: SourceLocation(file: file), "is not YAML")
      return SourceUpdate(origin: file, content: .documents([], isComplete: false, problems: [problem]))
    case 8...10:
      // Of two files the one with the lower name counts: this one.
      count(.copy)
      copies.insert(copy)
      return SourceUpdate(
        origin: copy, content: .documents([document(key, object, in: copy)], isComplete: true, problems: []))
    case 11...13:
      count(copies.remove(copy) == nil ? .absent : .copyRemoved)
      return SourceUpdate(origin: copy, content: .removed)
    default:
      count(kind)
      pools[key.kind, default: .init()][key.id] = object
      return SourceUpdate(
        origin: file, content: .documents([document(key, object, in: file)], isComplete: true, problems: []))
    }
  }

  /// What releases make of some service now; nothing, if they are over.
  mutating func nextRelease() -> (NamespacedName, [ReleaseOverlay]) {
    count(.release)
    let id = anyService()
    if random.chance(30) { return (id, []) }
    // Some route of some VirtualService, which may lead to the service or not.
    var own: Set<String> = []
    if random.chance(40), case .virtualService(let found)? = existing(.virtualService, percent: 100) {
      own = Set(found.http.map { $0.identity(in: found.id) })
    }
    var overlays: [ReleaseOverlay] = []
    for port in random.chance(60) ? [nil] : [80, 8080] as [UInt16?] where port == nil || random.chance(70) {
      let versions = ["v1", "v2", "v3"].shuffled(using: &random)
      func subset(_ name: String) -> DestinationRule.Subset { .init(name: name, labels: ["version": name]) }
      overlays.append(
        ReleaseOverlay(
          port: port, stable: subset(versions[0]), candidate: subset(versions[1]),
          weight: Weight(basisPoints: random.pick([0, 1, 500, 3333, 9999, 10_000])) ?? .none,
          rules: random.chance(30) ? [RequestRule(headers: ["x-release": .present])] : [],
          mirror: random.chance(20) ? 10 : .none,
          stickiness: random.chance(20) ? .cookie(name: "v", ttlSeconds: 60) : nil,
          formerSubsets: random.chance(30) ? [versions[2]] : [], ownRoutes: own))
    }
    return (id, overlays.shuffled(using: &random))
  }

  /// A preview of some release: of a host that is nobody's, a service's, or of one that comes or goes.
  mutating func nextPreview() -> VirtualService {
    count(.preview)
    let (service, host) = (anyService(), anyService())
    return VirtualService(
      id: NamespacedName(previewOf: "r-\(random.number(0...4))", namespace: namespace()),
      hosts: [random.chance(30) ? "p.example" : "\(host.name).\(host.namespace)"],
      http: [
        HTTPRoute(destinations: [RouteDestination(host: "\(service.name).\(service.namespace)", subset: "v2")])
      ])
  }

  private mutating func deletion() -> SourceUpdate {
    let kind = random.pick(ObjectKind.allCases)
    guard let (id, object) = pools[kind]?.any(&random) else {
      count(.absent)
      return SourceUpdate(origin: "nothing.yaml", content: .removed)
    }
    count(.deleted)
    pools[kind]?[id] = nil
    return SourceUpdate(origin: "\(object.key).yaml", content: .removed)
  }

  private func document(_ key: ObjectKey, _ object: TrafficObject?, in file: String) -> SourceDocument {
    let location = SourceLocation(file: file, position: 0, line: 1)
    let problems = object == nil ? [Problem(.error, at: location, object: key, "is bad")] : []
    return SourceDocument(location: location, key: key, object: object, problems: problems, text: "")
  }

  private mutating func nextObject() -> (EditKind, TrafficObject) {
    switch random.number(0...99) {
    case 0...11: (.service, .service(service()))
    case 12...36: (.endpoints, .endpointSlice(slice()))
    case 37...48: (.labels, .pod(pod()))
    case 49...51: (.node, .node(node()))
    case 52: (.namespace, .namespace(KubernetesNamespace(name: namespace(), labels: ["x": "\(random.number(0...3))"])))
    case 53...66: (.subsets, .destinationRule(rule()))
    case 67...82: (.weights, .virtualService(weights()))
    default: (.route, .virtualService(routes()))
    }
  }

  // MARK: What is there

  private mutating func existing(_ kind: ObjectKind, percent: Int = 60) -> TrafficObject? {
    random.chance(percent) ? pools[kind]?.any(&random)?.value : nil
  }

  private mutating func anyService() -> NamespacedName {
    existing(.service, percent: 85)?.key.id ?? newService()
  }

  private mutating func newService() -> NamespacedName {
    if random.chance(1) { return NamespacedName(namespace: "shop", name: "a.svc") }
    return NamespacedName(namespace: namespace(), name: "s\(random.number(0...services - 1))")
  }

  private mutating func namespace() -> String { random.pick(["shop", "bank", "svc"]) }
  private mutating func podID(_ namespace: String) -> NamespacedName {
    NamespacedName(namespace: namespace, name: "p\(random.number(0...services))")
  }
  private mutating func nodeName() -> String { "n\(random.number(0...4))" }
  private mutating func version() -> String { random.pick(["v1", "v2", "v3"]) }

  // MARK: Objects

  private mutating func service() -> KubernetesService {
    if case .service(var old) = existing(.service, percent: 40), !old.ports.isEmpty {
      let index = random.number(0...old.ports.count - 1)
      if random.chance(50) { old.ports[index].applicationProtocol = random.pick([.http, .http2, .tcp]) }
      if random.chance(30) { old.ports.remove(at: index) }
      return old
    }
    var ports = [ServicePort(name: "http", port: 80, applicationProtocol: .http)]
    for _ in 0..<random.number(0...2) {
      ports.append(
        ServicePort(
          name: random.pick(["web", "db"]), port: random.pick([80, 81, 8080, 15001, 5432]),
          applicationProtocol: random.pick([.http, .http2, .tcp])))
    }
    return KubernetesService(id: newService(), ports: ports)
  }

  private mutating func endpoint(_ namespace: String) -> EndpointSlice.Endpoint {
    let last = "\(random.number(1...40))"
    return EndpointSlice.Endpoint(
      addresses: random.chance(10) ? ["10.0.0.\(last)", "2001:db8::\(last)"] : ["10.0.0.\(last)"],
      state: random.pick([.ready, .ready, .ready, .draining, .notReady]),
      zone: random.chance(20) ? random.pick(["za", "zb"]) : nil, nodeName: random.chance(60) ? nodeName() : nil,
      pod: random.chance(80) ? podID(namespace) : nil)
  }

  private mutating func slice() -> EndpointSlice {
    if case .endpointSlice(var old) = existing(.endpointSlice, percent: 70) {
      switch random.number(0...3) {
      case 0 where !old.endpoints.isEmpty: old.endpoints.remove(at: random.number(0...old.endpoints.count - 1))
      case 1 where !old.endpoints.isEmpty:
        old.endpoints[random.number(0...old.endpoints.count - 1)].state = random.pick([.ready, .draining, .notReady])
      case 2: old.endpoints.shuffle(using: &random)
      default: old.endpoints.append(endpoint(old.id.namespace))
      }
      return old
    }
    let service = anyService()
    let names = random.chance(30) ? ["http", "web", "db"] : ["http"]
    let endpoints = (0..<random.number(0...8)).map { _ in endpoint(service.namespace) }
    // As a rule each of its own name for its service; now and then one passes from one service to another.
    let name = random.chance(10) ? "slice-\(random.number(0...3))" : "\(service.name)-\(random.number(0...1))"
    return EndpointSlice(
      id: NamespacedName(namespace: service.namespace, name: name), service: service.name,
      ports: names.map { .init(name: $0, port: random.chance(90) ? 8000 : 9000) }, endpoints: endpoints)
  }

  private mutating func pod() -> Pod {
    var labels: [String: String] = [:]
    if random.chance(90) { labels["version"] = version() }
    if random.chance(40) { labels["track"] = random.pick(["canary", "stable"]) }
    return Pod(id: podID(namespace()), labels: labels, nodeName: random.chance(60) ? nodeName() : nil)
  }

  private mutating func node() -> KubernetesNode {
    KubernetesNode(name: nodeName(), region: random.pick(["r1", "r2", ""]), zone: random.pick(["za", "zb", ""]))
  }

  private mutating func loadBalancer() -> LoadBalancer {
    random.pick([
      .random, .roundRobin, .leastRequest, .consistentHash(key: .header("x-user"), table: .ring(minimumSize: 1024)),
      .consistentHash(key: .sourceIP, table: .maglev(tableSize: nil)),
    ])
  }

  private mutating func subset(_ name: String) -> DestinationRule.Subset {
    var labels = random.chance(90) ? ["version": name] : [:]
    if random.chance(15) { labels["track"] = "canary" }
    return .init(name: name, labels: labels, loadBalancer: random.chance(20) ? loadBalancer() : nil)
  }

  private mutating func rule() -> DestinationRule {
    if case .destinationRule(var old) = existing(.destinationRule) {
      switch random.number(0...3) {
      case 0 where !old.subsets.isEmpty: old.subsets.remove(at: random.number(0...old.subsets.count - 1))
      case 1: old.loadBalancer = random.chance(60) ? loadBalancer() : nil
      case 2: old.subsets.shuffle(using: &random)
      default:
        let added = subset(version())
        old.subsets.removeAll { $0.name == added.name }
        old.subsets.append(added)
      }
      return old
    }
    let service = anyService()
    let name = random.chance(80) ? service.name : "extra-\(random.number(0...3))"
    return DestinationRule(
      id: NamespacedName(namespace: random.chance(90) ? service.namespace : namespace(), name: name),
      host: form(of: service), loadBalancer: random.chance(40) ? loadBalancer() : nil,
      subsets: ["v1", "v2", "v3"].prefix(random.number(1...3)).map { subset($0) })
  }

  private mutating func form(of service: NamespacedName) -> String {
    random.pick([
      "\(service.name).\(service.namespace)", "\(service.name).\(service.namespace).svc",
      "\(service.name).\(service.namespace).svc.cluster.local",
    ])
  }

  // MARK: Routes

  private mutating func weights() -> VirtualService {
    guard case .virtualService(var old) = existing(.virtualService, percent: 95), !old.http.isEmpty else {
      return routes()
    }
    let rule = random.number(0...old.http.count - 1)
    for index in old.http[rule].destinations.indices {
      old.http[rule].destinations[index].weight = UInt32(random.number(0...4))
    }
    return old
  }

  private mutating func routes() -> VirtualService {
    if case .virtualService(var old) = existing(.virtualService, percent: 50) {
      switch random.number(0...3) {
      case 0 where !old.http.isEmpty: old.http.remove(at: random.number(0...old.http.count - 1))
      case 1: old.http.shuffle(using: &random)
      case 2 where !old.http.isEmpty: old.http[random.number(0...old.http.count - 1)].matches = matches()
      default: old.http.append(route(near: old.id))
      }
      return old
    }
    let service = anyService()
    var hosts = [form(of: service)]
    if random.chance(20) {
      hosts.append(
        random.pick([
          "*", "*.shop.svc.cluster.local", "*.svc.cluster.local", "*.local", "www.example.com", "WWW.example.com",
          "*.example.com",
        ]))
    }
    if random.chance(10) { hosts.removeFirst(hosts.count > 1 ? 1 : 0) }
    return VirtualService(
      id: NamespacedName(
        namespace: service.namespace, name: random.chance(80) ? service.name : "other-\(random.number(0...3))"),
      hosts: hosts, http: (0..<random.number(0...3)).map { _ in route(near: service) })
  }

  private mutating func matches() -> [HTTPMatch] {
    (0..<random.number(0...2)).map { _ in
      HTTPMatch(
        name: random.chance(20) ? "m" : "",
        uri: random.chance(60) ? random.pick([.prefix("/a"), .exact("/b"), .regex("/c.*")]) : nil,
        ignoreURICase: random.chance(20), method: random.chance(20) ? .exact("GET") : nil,
        headers: random.chance(40) ? ["x-a": .exact("1"), "x-b": .present] : [:],
        withoutHeaders: random.chance(20) ? ["x-c": .prefix("z")] : [:],
        port: random.chance(20) ? random.pick([80, 81]) : nil)
    }
  }

  private mutating func route(near service: NamespacedName) -> HTTPRoute {
    let destinations = (0..<random.number(1...3)).map { _ in destination(near: service) }
    return HTTPRoute(
      name: random.chance(30) ? "r" : "", matches: matches(), destinations: destinations,
      timeoutMilliseconds: random.chance(20) ? 500 : nil,
      retries: random.chance(20)
        ? HTTPRetry(attempts: UInt32(random.number(0...2)), retryOn: random.chance(50) ? "5xx,503" : nil) : nil)
  }

  /// Most name a service close by that is there, and a subset of its rule; the others wait at the gate until theirs is.
  private mutating func destination(near service: NamespacedName) -> RouteDestination {
    let weight = UInt32(random.number(0...4))
    for _ in 0..<4 {
      let neighbour = neighbour(of: service)
      guard pools[.service]?[neighbour] != nil else { continue }
      if case .destinationRule(let rule) = pools[.destinationRule]?[neighbour], !rule.subsets.isEmpty,
        random.chance(70)
      {
        return RouteDestination(host: form(of: neighbour), subset: random.pick(rule.subsets).name, weight: weight)
      }
      return RouteDestination(
        host: form(of: neighbour), port: random.chance(20) ? random.pick([80, 8080]) : nil, weight: weight)
    }
    return RouteDestination(host: form(of: anyService()), subset: random.chance(30) ? version() : nil, weight: weight)
  }

  /// A service whose number is close: were all connected with all, each edit would concern the whole world.
  private mutating func neighbour(of service: NamespacedName) -> NamespacedName {
    let number = (Int(service.name.dropFirst()) ?? 0) + random.number(-2...2)
    let namespace = random.chance(80) ? service.namespace : namespace()
    return NamespacedName(namespace: namespace, name: "s\((number + services) % services)")
  }
}
