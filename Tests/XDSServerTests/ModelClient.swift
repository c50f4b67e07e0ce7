import EnvoyAPI
import XDSSnapshot

@testable import XDSServer

/// SplitMix64: small, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

/// A strict client that behaves as Envoy does, at the end of two queues, and complains of every response that would break a
/// proxy or that is not needed.
///
/// Content whose version divides by 7 is bad: of clusters it refuses the bad ones and takes the others, of the other types
/// it refuses the whole response.
final class ModelClient {
  enum Request {
    case delta(DeltaDiscoveryRequest, ResourceType)
    case stateOfTheWorld(DiscoveryRequest, ResourceType)
  }

  /// What sets a client apart from the usual Envoy.
  struct Habits: CustomStringConvertible {
    /// Refuses a response of clusters as a whole for one that is bad.
    var refusesWhole = false
    var takesRoutes = true
    /// Says things twice, drops names and takes them up again, and forgets some of what it held when it comes back.
    var isErratic = false
    /// Fails to build a bad cluster, keeps it as one that warms, and then says nothing of clusters until it is gone.
    var freezes = false
    /// Takes its virtual hosts one by one (delta).
    var takesHostByHost = false

    var description: String {
      (takesHostByHost ? "host by host, " : "")
        + "whole \(refusesWhole), routes \(takesRoutes), erratic \(isErratic), freezes \(freezes)"
    }
  }

  let variant: XDSProtocol
  let habits: Habits
  private(set) var held: [ResourceType: [String: Resource]] = [:]
  /// Clusters that have had their endpoints since they came.
  private(set) var warm: Set<String> = []
  /// Clusters that an earlier stream brought without their endpoints. In the state of the world a server cannot say that
  /// there are none; Envoy gives up waiting after `initial_fetch_timeout`.
  private var carried: Set<String> = []
  private(set) var complaints: [String] = []
  var outbox: [Request] = []
  var inbox: [Sent] = []
  /// ACKs of clusters that are not warm yet, as Envoy keeps them back.
  private(set) var withheld: [(sent: Sent, error: String?)] = []
  /// Bad clusters that it could not build, and has among those that warm.
  private(set) var phantoms: Set<String> = []

  private var isRequested: Set<ResourceType> = []
  private var isAnswered: Set<ResourceType> = []
  private var endpointNames: Set<String> = []
  private var nonces: [ResourceType: String] = [:]
  private var versions: [ResourceType: String] = [:]
  /// What may be sent though it is held already.
  private var expected: [ResourceType: Set<String>] = [:]
  /// State of the world: what a server that has restarted cannot know of the client, until the client accepts it anew.
  private var unknown: Set<ResourceType> = []
  /// The versions that a server which has restarted remembers of its predecessor.
  var remembered: [ResourceType: String] = [:]

  /// What was refused when it came last. A server that does not know the client's routes does not hold them for clusters
  /// that were refused, or whose endpoints were.
  private var refused: [ResourceType: Set<String>] = [:]
  /// Clusters taken from responses that were refused, and from no accepted one since.
  private var halfTaken: Set<String> = []
  private var unknownReferrers: Set<ResourceType> = []

  /// The last answer of each type.
  private var answers: [ResourceType: (nonce: String, error: String?)] = [:]
  /// Answered anew, once for each time; a response that was on its way may come before.
  private var resubscribed: [ResourceType: Set<String>] = [:]
  /// It uses no routes that came before this.
  private var hasDroppedRoutes = false
  /// The hosts of the route table that it has dropped, while a response can come that was sent before the server knew.
  private var droppedHosts: [String: [String]] = [:]
  private var routeNames: [String]
  private var routeName: String { habits.takesHostByHost ? World.hostlessName : World.routeName }

  init(_ variant: XDSProtocol, _ habits: Habits) {
    self.variant = variant
    self.habits = habits
    routeNames = [habits.takesHostByHost ? World.hostlessName : World.routeName]
  }

  /// Opens a stream. All subscriptions are made anew at once; a first-time client asks for routes after listeners.
  func connect(serverRestarted: Bool) {
    outbox = []
    inbox = []
    withheld = []
    isRequested = []
    isAnswered = []
    nonces = [:]
    expected = [:]
    answers = [:]
    resubscribed = [:]
    phantoms = []
    let isReturning = !held.isEmpty
    carried = variant == .delta ? [] : Set(held[.cluster, default: [:]].keys).subtracting(warm)
    if isReturning && serverRestarted && variant == .stateOfTheWorld {
      unknown = [.cluster, .listener, .route]
      // The clusters that the server knows outlive what may name them, even where that is unknown.
      for (type, version) in remembered where versions[type] == version { unknown.remove(type) }
    }
    if isReturning && serverRestarted { unknownReferrers = [.listener, .route] }
    request(.cluster)
    if isReturning {
      endpointNames = Set(held[.cluster, default: [:]].keys)
      if !endpointNames.isEmpty { request(.endpoint, adding: endpointNames.sorted()) }
    }
    request(.listener)
    if habits.takesRoutes && !held[.listener, default: [:]].isEmpty { request(.route, adding: [routeName]) }
    // Once a client has subscribed to virtual hosts, it does so on every stream.
    if held[.route]?[World.hostlessName] != nil || !held[.virtualHost, default: [:]].isEmpty { request(.virtualHost) }
  }

  // MARK: Oddities

  /// Answers the last response of a type once more.
  func repeatAnswer(_ type: ResourceType) {
    guard let answer = answers[type] else { return }
    request(type, nonce: answer.nonce, error: answer.error)
  }

  /// Drops a name and takes it up again.
  func resubscribe(_ type: ResourceType, _ name: String) {
    guard isRequested.contains(type), isAnswered.contains(type) else { return }
    switch type {
    case .cluster, .listener, .virtualHost, .loneEndpoint: return
    case .endpoint:
      guard endpointNames.contains(name) else { return }
      endpointNames.remove(name)
      request(type, removing: [name])
      endpointNames.insert(name)
    case .route:
      hasDroppedRoutes = true
      if let route = held[.route]?[World.routeName] { droppedHosts = World.hosts(in: route) }
      routeNames = []
      request(type, removing: [name])
      routeNames = [routeName]
    }
    resubscribed[type, default: []].insert(name)
    // In the state of the world the server may have passed over both, for their stale nonce.
    if variant == .delta { held[type]?[name] = nil }
    request(type, adding: [name])
  }

  /// Loses something while it is not connected. (A cluster is not lost alone: what names it would be broken.)
  func forget(_ type: ResourceType, _ name: String) {
    guard variant == .delta, type != .cluster, held[type]?.removeValue(forKey: name) != nil else { return }
    if type == .endpoint { warm.remove(name) }
  }

  /// The responses that were on their way when the server read that the client takes its routes up again.
  private var sentBeforeDropping: Set<String> = []

  /// The server has read a request for routes.
  func routesAreRequested() { sentBeforeDropping = Set(inbox.filter { $0.type == .route }.map(\.nonce)) }

  private func wasSentBeforeDropping(_ sent: Sent) -> Bool {
    sentBeforeDropping.contains(sent.nonce)
      || outbox.contains {
        switch $0 {
        case .delta(let request, .route): !request.resourceNamesSubscribe.isEmpty
        default: false
        }
      }
  }

  // MARK: Requests

  private func request(
    _ type: ResourceType, adding: [String] = [], removing: [String] = [], nonce: String = "", error: String? = nil
  ) {
    let isFirst = isRequested.insert(type).inserted
    if !nonce.isEmpty { answers[type] = (nonce, error) }
    let detail = error.map { ErrorDetail(code: 13, message: $0) }
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      // Each name twice: the server must not count on a client that says things once.
      request.resourceNamesSubscribe = adding + adding
      request.resourceNamesUnsubscribe = removing + removing
      request.responseNonce = nonce
      request.errorDetail = detail
      if isFirst { request.initialResourceVersions = held[type, default: [:]].mapValues(\.version) }
      for name in adding where held[type]?[name] == nil || !isFirst { expected[type, default: []].insert(name) }
      outbox.append(.delta(request, type))
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      switch type {
      case .cluster, .listener, .virtualHost, .loneEndpoint: break
      case .endpoint: request.resourceNames = endpointNames.sorted()
      case .route: request.resourceNames = routeNames
      }
      expected[type, default: []].formUnion(adding)
      request.responseNonce = nonce.isEmpty ? nonces[type] ?? "" : nonce
      request.versionInfo = versions[type] ?? ""
      request.errorDetail = detail
      outbox.append(.stateOfTheWorld(request, type))
    }
  }

  // MARK: Responses

  func processNext(ackAtOnce: Bool, namesTheBad: Bool) {
    let sent = inbox.removeFirst()
    let type = sent.type
    let resources = Dictionary(uniqueKeysWithValues: sent.response.plan.resources.map { ($0.name, $0) })
    checkNeed(sent, resources)
    nonces[type] = sent.nonce
    isAnswered.insert(type)
    let bad = resources.values.filter(Self.isBad).map(\.name).sorted()
    // Of a response that is refused as a whole a server that knows nothing of the client takes the rest for accepted.
    let isWhole = type == .cluster && habits.refusesWhole && !bad.isEmpty
    refused[type] = refused[type, default: []].subtracting(resources.keys).union(isWhole ? Array(resources.keys) : bad)
    if type == .cluster && bad.isEmpty { halfTaken.subtract(resources.keys) }
    if type == .cluster && !bad.isEmpty && !habits.refusesWhole {
      halfTaken.formUnion(resources.keys.filter { held[.cluster]?[$0] == nil })
    }
    if !bad.isEmpty {
      if type == .cluster && !habits.refusesWhole { take(clusters: resources.filter { !bad.contains($0.key) }, sent) }
      expected[type, default: []].formUnion(resources.keys)
      expected[type, default: []].formUnion(sent.removed)
      if type == .cluster { expected[.endpoint, default: []].formUnion(resources.keys) }
      let message = namesTheBad ? "Error adding/updating: \(bad.joined(separator: ", ")): bad" : "bad"
      if type == .cluster && habits.freezes {
        warmsForEver(Set(bad), sent, resources)
        withheld.append((sent, message))
        releaseClusterACK()
      } else {
        request(type, nonce: sent.nonce, error: message)
      }
      return
    }
    versions[type] = sent.version
    defer { unknown.remove(type) }
    switch type {
    case .cluster:
      take(clusters: resources, sent)
      if habits.freezes { warmsForEver([], sent, resources) }
      withheld.append((sent, nil))
      if ackAtOnce { releaseClusterACK() }
      return
    case .endpoint:
      for (name, resource) in resources where endpointNames.contains(name) {
        held[type, default: [:]][name] = resource
        if held[.cluster]?[name] != nil { warm.insert(name) }
      }
      for name in sent.removed {
        held[type]?[name] = nil
        // Nothing is an answer too: Envoy has waited for it.
        if held[.cluster]?[name] != nil { warm.insert(name) }
      }
    case .listener:
      for resource in resources.values {
        for cluster in resource.references where held[type]?[resource.name]?.version != resource.version {
          checkWarm(cluster, "listener \(resource.name)", type)
        }
      }
      if variant == .delta {
        for name in sent.removed { held[type]?[name] = nil }
        held[type, default: [:]].merge(resources) { $1 }
      } else {
        held[type] = resources
      }
      unknownReferrers.remove(type)
      if habits.takesRoutes && !isRequested.contains(.route) { request(.route, adding: [routeName]) }
    case .loneEndpoint: complaints.append("\(sent) was not asked for")
    case .virtualHost: take(hosts: resources, sent)
    case .route:
      if !sent.removed.isEmpty { complaints.append("a route table was removed") }
      if let hostless = resources[World.hostlessName] {
        if held[type]?[hostless.name] == nil {
          // Its hosts come all, whether they are asked for or not.
          expected[.virtualHost, default: []].formUnion(held[.virtualHost, default: [:]].keys)
        }
        held[type, default: [:]][hostless.name] = hostless
        if !isRequested.contains(.virtualHost) { request(.virtualHost) }
      }
      if let route = resources[World.routeName] {
        let old = held[type]?[route.name].map(World.hosts) ?? (wasSentBeforeDropping(sent) ? droppedHosts : [:])
        for (host, clusters) in World.hosts(in: route) where old[host] != clusters {
          for cluster in clusters { checkWarm(cluster, "host \(host)", type) }
        }
        held[type, default: [:]][route.name] = route
        hasDroppedRoutes = false
        unknownReferrers.remove(.route)
      }
    }
    request(type, nonce: sent.nonce)
  }

  private func take(hosts: [String: Resource], _ sent: Sent) {
    if hosts.isEmpty && sent.removed.isEmpty { complaints.append("\(sent) keeps Envoy waiting") }
    for host in hosts.values where held[.virtualHost]?[host.name]?.references != host.references {
      for cluster in host.references { checkWarm(cluster, "host \(host.name)", .virtualHost) }
    }
    for name in sent.removed { held[.virtualHost]?[name] = nil }
    held[.virtualHost, default: [:]].merge(hosts) { $1 }
  }

  /// The ACK that waits for warming, when it is time or when the client is in start-up.
  func releaseClusterACK() {
    guard !withheld.isEmpty, !isFrozen else { return }
    let (sent, error) = withheld.removeFirst()
    request(.cluster, nonce: sent.nonce, error: error)
  }

  /// It has not sent the answer to a response of clusters, and has one among them that it will never build.
  var isFrozen: Bool { !phantoms.isEmpty && isPaused }
  /// A refusal goes out at once as long as nothing else warms.
  private var isPaused = false

  private func warmsForEver(_ bad: Set<String>, _ sent: Sent, _ resources: [String: Resource]) {
    if phantoms.isEmpty { isPaused = false }
    phantoms.subtract(resources.keys)
    phantoms.subtract(sent.removed)
    if variant == .stateOfTheWorld { phantoms.formIntersection(resources.keys) }
    phantoms.formUnion(bad)
    if !isWarm { isPaused = true } else if phantoms.isEmpty { isPaused = false }
  }

  /// Whether the client waits for no endpoints that this stream could still bring.
  var isWarm: Bool { held[.cluster, default: [:]].keys.allSatisfy { warm.contains($0) || carried.contains($0) } }

  private func take(clusters: [String: Resource], _ sent: Sent) {
    let old = held[.cluster, default: [:]]
    var new = old
    if variant == .delta {
      for name in sent.removed { new[name] = nil }
    } else {
      for name in old.keys where sent.response.plan.resources.allSatisfy({ $0.name != name }) { new[name] = nil }
    }
    new.merge(clusters) { $1 }
    held[.cluster] = new
    for name in clusters.keys { expected[.endpoint, default: []].insert(name) }
    let gone = old.keys.filter { new[$0] == nil }
    if !unknown.contains(.cluster) {
      // In the state of the world a server cannot withdraw what it does not know to be there: leaving it out does.
      for name in gone where variant == .delta || !halfTaken.contains(name) {
        let hosts = hasDroppedRoutes ? [:] : held[.route]?[World.routeName].map(World.hosts) ?? [:]
        if hosts.values.contains(where: { $0.contains(name) }) { complaints.append("\(name) removed under a route") }
        if held[.listener, default: [:]].values.contains(where: { $0.references.contains(name) }) {
          complaints.append("\(name) removed under a listener")
        }
        if held[.virtualHost, default: [:]].values.contains(where: { $0.references.contains(name) }) {
          complaints.append("\(name) removed under a virtual host")
        }
      }
    }
    for name in gone {
      warm.remove(name)
      held[.endpoint]?[name] = nil
      expected[.endpoint]?.remove(name)
    }
    let added = new.keys.filter { !endpointNames.contains($0) }.sorted()
    endpointNames = Set(new.keys)
    if !added.isEmpty || (!gone.isEmpty && isRequested.contains(.endpoint)) {
      request(.endpoint, adding: added, removing: gone.sorted())
    }
  }

  private func checkWarm(_ cluster: String, _ what: String, _ type: ResourceType) {
    if unknownReferrers.contains(type)
      && (refused[.cluster, default: []].contains(cluster) || refused[.endpoint, default: []].contains(cluster))
    {
      return
    }
    if held[.cluster]?[cluster] == nil { complaints.append("\(what) names \(cluster), which is not there") }
    if !warm.contains(cluster) { complaints.append("\(what) names \(cluster), which is not warm") }
  }

  private func checkNeed(_ sent: Sent, _ resources: [String: Resource]) {
    let type = sent.type
    // What it has been silent about may be said again.
    if type == .cluster && isFrozen { return }
    if variant == .stateOfTheWorld {
      // A client that comes back is answered whether or not it knows the answer.
      guard isAnswered.contains(type) else { return }
      if type.isFullState {
        let held = held[type, default: [:]].mapValues(\.version)
        if held == resources.mapValues(\.version) && expected[type, default: []].isEmpty {
          complaints.append("\(sent) says nothing new")
        }
        expected[type] = []
        return
      }
    }
    for (name, resource) in resources {
      let isExpected = expected[type]?.remove(name) != nil
      let isAnswer = resubscribed[type]?.contains(name) ?? false
      if held[type]?[name]?.version == resource.version && !isExpected && !isAnswer {
        complaints.append("\(type) \(name) sent again without need")
      }
    }
  }

  static func isBad(_ resource: Resource) -> Bool {
    let text = String(decoding: resource.flattened(), as: UTF8.self)
    if text.hasPrefix("V") { return isBad(text.split(separator: " ")[3]) }
    guard text.hasPrefix("R") else { return isBad(text.split(separator: " ")[2]) }
    return text.split(separator: ";").dropFirst().contains { isBad($0.split(separator: " ")[1]) }
  }

  private static func isBad(_ version: Substring) -> Bool { Int(version)?.isMultiple(of: 7) ?? false }
}
