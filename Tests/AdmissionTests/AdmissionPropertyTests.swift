import Admission
import Testing
import TrafficModel

/// Random sequences of edits, with the seed in every failure.
@Suite struct AdmissionPropertyTests {
  struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  static func anyObject(_ random: inout Random) -> TrafficObject {
    let names = ["a", "b", "c"]
    let name = names.randomElement(using: &random)!
    let subsets = ["v1", "v2", "v3"].filter { _ in Bool.random(using: &random) }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: return Make.service(name, ports: [80, 81].filter { $0 == 80 || Bool.random(using: &random) })
    case 1: return Make.rule(name, host: names.randomElement(using: &random)!, subsets)
    default:
      let destinations = (0..<Int.random(in: 1...2, using: &random)).map { _ in
        let host = names.randomElement(using: &random)!
        return ["\(host)", "\(host)|v1", "\(host)|v2", "\(host)|v3|81", "\(host)||81"].randomElement(using: &random)!
      }
      return Make.route("r" + name, destinations, timeout: UInt64.random(in: 0...1, using: &random))
    }
  }

  /// Whether all that these routes name is there.
  static func holds(_ set: Set<TrafficObject>) -> Bool {
    var ports: [String: Set<UInt16>] = [:]
    var subsets: Set<String> = []
    for object in set {
      switch object {
      case .service(let object): ports[object.id.name] = Set(object.ports.map(\.port))
      case .destinationRule(let object):
        for subset in object.subsets { subsets.insert("\(object.host)|\(subset.name)") }
      default: break
      }
    }
    for case .virtualService(let object) in set {
      for destination in object.http.flatMap(\.destinations) {
        guard let known = ports[destination.host] else { return false }
        if let port = destination.port, !known.contains(port) { return false }
        if let subset = destination.subset, !subsets.contains("\(destination.host)|\(subset)") { return false }
      }
    }
    return true
  }

  @Test(arguments: 0..<60 as Range<UInt64>) func theAdmittedSetAlwaysHoldsAndNothingWaitsWithoutReason(_ seed: UInt64) {
    var random = Random(state: seed)
    var gate = AdmissionGate()
    var wanted: [ObjectKey: TrafficObject] = [:]
    var compiled: [ObjectKey: TrafficObject] = [:]
    for step in 0..<60 {
      var updates: [SourceUpdate] = []
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let object = Self.anyObject(&random)
        if Int.random(in: 0..<4, using: &random) == 0 {
          wanted[object.key] = nil
          updates.append(Make.gone("\(object.key)"))
        } else {
          wanted[object.key] = object
          updates.append(Make.file("\(object.key)", [object]))
        }
      }
      for edit in gate.apply(updates).edits {
        switch edit {
        case .upsert(let object): compiled[object.key] = object
        case .delete(let key): compiled[key] = nil
        }
      }
      #expect(Set(compiled.values) == gate.set, "seed \(seed), step \(step): the edits add up to the set")
      #expect(Self.holds(gate.set), "seed \(seed), step \(step): every destination is there")
      let waiting = Set(gate.waitingObjects)
      #expect(Set(gate.problems.compactMap(\.object)) == waiting, "seed \(seed), step \(step): whoever waits is named")
      let keys = Set(wanted.keys).union(compiled.keys)
      #expect(
        waiting == keys.filter { wanted[$0] != compiled[$0] }, "seed \(seed), step \(step): only what waits differs")
      for key in waiting {
        var moved = compiled
        moved[key] = wanted[key]
        #expect(!Self.holds(Set(moved.values)), "seed \(seed), step \(step): \(key) could be admitted")
      }
      if Self.holds(Set(wanted.values)) {
        #expect(waiting.isEmpty, "seed \(seed), step \(step): all is good, so all is admitted")
      }
    }
  }

  @Test(arguments: 0..<40 as Range<UInt64>) func theOrderOfGoodEditsDoesNotMatter(_ seed: UInt64) {
    var random = Random(state: seed &+ 1_000)
    func goodSet() -> [TrafficObject] {
      while true {
        var set: [ObjectKey: TrafficObject] = [:]
        for _ in 0..<10 {
          let object = Self.anyObject(&random)
          set[object.key] = object
        }
        if Self.holds(Set(set.values)) { return set.values.sorted { $0.key < $1.key } }
      }
    }
    let first = goodSet()
    let second = goodSet()
    let keys = Set(second.map(\.key))
    let edits =
      second.map { Make.file("\($0.key)", [$0]) }
      + first.filter { !keys.contains($0.key) }.map { Make.gone("\($0.key)") }
    for _ in 0..<5 {
      var gate = AdmissionGate()
      for object in first.shuffled(using: &random) { gate.put(object) }
      #expect(gate.set == Set(first), "seed \(seed)")
      var rest = edits.shuffled(using: &random)[...]
      while !rest.isEmpty {
        let count = Int.random(in: 1...rest.count, using: &random)
        _ = gate.apply(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      #expect(gate.set == Set(second), "seed \(seed)")
      #expect(gate.problems.isEmpty, "seed \(seed)")
    }
  }

  @Test func anEditCostsWhatItTouches() {
    func cost(_ count: Int) -> Duration {
      var gate = AdmissionGate()
      _ = gate.apply(
        (0..<count).map {
          Make.file(
            "f\($0)", [Make.service("s\($0)"), Make.rule("s\($0)", ["v1"]), Make.route("s\($0)", ["s\($0)|v1"])])
        })
      let clock = ContinuousClock()
      return (0..<50).map { step in
        clock.measure {
          _ = gate.apply([
            Make.file(
              "f7",
              [Make.service("s7"), Make.rule("s7", ["v1", "v\(step + 2)"]), Make.route("s7", ["s7|v\(step + 2)"])])
          ])
        }
      }.sorted()[25]
    }
    let small = cost(100)
    let large = cost(5_000)
    #expect(large < small * 5, "\(small) among 100, \(large) among 5000")
  }
}
