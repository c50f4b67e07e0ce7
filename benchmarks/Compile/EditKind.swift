import TrafficModel

/// What is measured.
enum EditKind: String, CaseIterable {
  /// An EndpointSlice with one other address among its ten.
  case endpoint
  /// A VirtualService with other weights.
  case weight
  /// A pod's label moves its endpoint from one subset to the other.
  case label
  /// A VirtualService with another match.
  case match
  /// A service with all that belongs to it goes.
  case remove
  /// One that has gone comes back.
  case add

  var title: String {
    switch self {
    case .endpoint: "one endpoint changed"
    case .weight: "one weight changed"
    case .label: "one pod's subset label changed"
    case .match: "one route match changed"
    case .remove: "one service removed, 14 objects"
    case .add: "one service added, 14 objects"
    }
  }
}

/// Makes edits, each of which changes something.
struct Editor {
  let world = World()
  let services: Int
  private var random: SplitMix
  /// How often a service was edited, by kind.
  private var turns: [EditKind: [Int: Int]] = [:]
  private var removed: [Int] = []

  init(services: Int, seed: UInt64) {
    self.services = services
    random = SplitMix(state: seed)
  }

  /// - Parameter kind: `remove` and `add` are asked for in turns; what is added is not what was removed last.
  mutating func next(_ kind: EditKind) -> [Edit] {
    if kind == .add { return world.objects(removed.removeFirst()).map(Edit.upsert) }
    var service = Int.random(in: 0..<services, using: &random)
    if kind == .remove {
      while removed.contains(service) { service = Int.random(in: 0..<services, using: &random) }
      removed.append(service)
      return world.objects(service).map { .delete($0.key) }
    }
    let turn = turns[kind, default: [:]][service, default: 0] + 1
    turns[kind, default: [:]][service] = turn
    switch kind {
    case .endpoint: return [.upsert(.endpointSlice(world.slice(service, state: turn)))]
    case .weight: return [.upsert(.virtualService(world.rules(service, weight: UInt32(1 + turn % 89))))]
    case .label: return [.upsert(.pod(world.pod(service, 0, isMoved: turn % 2 == 1)))]
    case .match:
      let match = HTTPMatch(uri: .prefix("/release/\(turn)"), headers: ["x-release": .exact("canary")])
      return [.upsert(.virtualService(world.rules(service, match: match)))]
    case .remove, .add: return []
    }
  }

  /// What brings back the last one that was removed.
  mutating func rest() -> [Edit] { removed.isEmpty ? [] : next(.add) }
}

/// A small generator that gives the same numbers for the same seed on every machine (SplitMix64).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
