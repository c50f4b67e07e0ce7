internal import EnvoyAPI
internal import XDSSnapshot

/// A response, of either protocol, as a client takes it.
struct ModelResponse {
  var type: ResourceType
  var nonce: String
  var version: String
  var bodies: [String: [UInt8]]
  /// Delta only.
  var versions: [String: String] = [:]
  var removed: [String] = []
}

/// What the protocol says of one type on one stream (xDS protocol, "How the client specifies what resources to return" and
/// "ACK/NACK"): what is subscribed to, and what the client holds.
struct ModelStream {
  let type: ResourceType
  let isDelta: Bool
  var isRequested = false
  /// The client has named something, or `*`, on this stream.
  private var hasNamed = false
  private(set) var isWildcard = false
  private(set) var names: Set<String> = []
  /// State of the world: what the client wants, which a request that the server ignores does not tell it.
  var wanted: [String] = []
  private(set) var held: [String: [UInt8]] = [:]
  private(set) var heldVersions: [String: String] = [:]
  private(set) var acceptedVersion = ""
  /// State of the world: names were dropped since, so the client does not hold all of that version any more.
  private var hasDropped = false
  private(set) var waiting: [ModelResponse] = []
  /// All nonces of the type on this stream.
  private(set) var nonces: [String] = []

  init(_ type: ResourceType, isDelta: Bool) {
    self.type = type
    self.isDelta = isDelta
  }

  /// Listeners and clusters: state-of-the-world responses have all of them, and an empty first request asks for all.
  var isFullState: Bool { type == .listener || type == .cluster }

  func covers(_ name: String) -> Bool { isWildcard || names.contains(name) }

  /// What stays when a stream ends and the next begins.
  func carriedOver() -> ModelStream {
    var next = ModelStream(type, isDelta: isDelta)
    next.held = held
    next.heldVersions = heldVersions
    if !hasDropped { next.acceptedVersion = acceptedVersion }
    return next
  }

  /// The client holds something that no server in this test has ever sent: in delta a name, at a version that it has in common
  /// with all that another control plane has served.
  mutating func invent(_ name: String) {
    if isDelta {
      held[name] = Array("of another server".utf8)
      heldVersions[name] = "1"
    } else {
      acceptedVersion = "1"
    }
  }

  // MARK: Requests

  mutating func requestedDelta(adding: [String], removing: [String]) {
    defer {
      isRequested = true
      dropUncovered()
    }
    if !isRequested && adding.isEmpty {
      isWildcard = isFullState
      return
    }
    if removing.contains("*") { isWildcard = false }
    names.subtract(removing)
    if adding.contains("*") { isWildcard = true }
    names.formUnion(adding.filter { $0 != "*" })
  }

  /// A request that the server heeds, with the whole list.
  mutating func requestedStateOfTheWorld() {
    isRequested = true
    if wanted.isEmpty && !hasNamed {
      isWildcard = isFullState
    } else {
      hasNamed = true
      isWildcard = wanted.contains("*")
      names = Set(wanted).subtracting(["*"])
    }
    dropUncovered()
  }

  private mutating func dropUncovered() {
    hasDropped = hasDropped || held.keys.contains { !covers($0) }
    held = held.filter { covers($0.key) }
    heldVersions = heldVersions.filter { covers($0.key) }
  }

  // MARK: Responses

  mutating func received(_ response: ModelResponse) throws {
    try require(isRequested, "a response of type \(type), which was not asked for")
    try require(!nonces.contains(response.nonce), "nonce \(response.nonce) twice")
    try require(waiting.isEmpty, "a second response of type \(type) before the first was answered")
    for name in response.bodies.keys { try require(covers(name), "\(type) \(name), which is not subscribed to") }
    for name in response.removed {
      try require(covers(name), "\(type) \(name) removed, which is not subscribed to")
      try require(response.bodies[name] == nil, "\(type) \(name) sent and removed")
    }
    nonces.append(response.nonce)
    waiting.append(response)
  }

  mutating func takeWaiting() -> ModelResponse? { waiting.isEmpty ? nil : waiting.removeFirst() }

  mutating func accept(_ response: ModelResponse) {
    acceptedVersion = response.version
    hasDropped = false
    if !isDelta && isFullState { held = [:] }
    for (name, body) in response.bodies where covers(name) { held[name] = body }
    for (name, version) in response.versions where covers(name) { heldVersions[name] = version }
    for name in response.removed {
      held[name] = nil
      heldVersions[name] = nil
    }
  }

  /// What the client should hold and does not, or holds and should not.
  func difference(_ content: [String: [UInt8]]) -> String? {
    for (name, body) in content where covers(name) {
      guard let held = held[name] else { return "\(name) is not held" }
      if held != body { return "\(name) is \(text(held)) instead of \(text(body))" }
    }
    // A route table or endpoints that are not there: a stub may stand for them, and in the state of the world they cannot be
    // taken away.
    guard isFullState else { return nil }
    return held.keys.first { content[$0] == nil }.map { "\($0) is held, and is not there" }
  }

  private func text(_ body: [UInt8]) -> String { String(decoding: body, as: UTF8.self) }
}
