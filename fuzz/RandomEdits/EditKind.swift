/// What an edit does; the counts at the end say how often each was done.
enum EditKind: String, CaseIterable {
  case service = "services written"
  case endpoints = "endpoints changed"
  case labels = "pods' labels changed"
  case node = "nodes changed"
  case namespace = "namespaces changed"
  case subsets = "subsets changed"
  case weights = "weights changed"
  case route = "routes changed"
  case deleted = "objects deleted"
  case broken = "broken objects"
  case brokenFile = "broken files"
  case copy = "objects in a second file"
  case copyRemoved = "second files removed"
  case absent = "files removed that were not there"
  case proxyClass = "classes of proxies come and go"
  case release = "releases started, moved and ended"
  case preview = "preview hosts of releases come and go"
}

/// A small generator that gives the same numbers for the same seed on every machine (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension SeededGenerator {
  mutating func chance(_ percent: Int) -> Bool { number(0...99) < percent }
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
  mutating func pick<T>(_ list: [T]) -> T { list[number(0...list.count - 1)] }
}

/// Objects that can be picked at random, the same for the same seed: a dictionary's own order differs from run to run.
struct ObjectPool<Key: Hashable, Value> {
  private(set) var all: [(key: Key, value: Value)] = []
  private var positions: [Key: Int] = [:]

  var count: Int { all.count }

  subscript(key: Key) -> Value? {
    get { positions[key].map { all[$0].value } }
    set {
      if let value = newValue {
        if let position = positions[key] { return all[position].value = value }
        positions[key] = all.count
        all.append((key, value))
      } else if let position = positions.removeValue(forKey: key) {
        let last = all.removeLast()
        guard last.key != key else { return }
        all[position] = last
        positions[last.key] = position
      }
    }
  }

  func any(_ random: inout SeededGenerator) -> (key: Key, value: Value)? {
    all.isEmpty ? nil : random.pick(all)
  }
}
