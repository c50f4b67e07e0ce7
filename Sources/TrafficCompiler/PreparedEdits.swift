import IncrementalGraph
import Synchronization
import TrafficModel

/// Makes what the edits of a large batch become, portion by portion, for two threads: the one that comes to a portion first makes
/// it, and as a rule that is the one that has less to do otherwise.
final class PreparedEdits: Sendable {
  private let edits: [Edit]
  private let portions: Portions
  private let podHash: KeyHasher<NamespacedName>
  /// The portion to be made next.
  private let making: Mutex<Int>
  /// By number: those that are made, until both threads have them.
  private let made: Mutex<[PreparedPortion?]>

  /// - Parameters:
  ///   - first: the portion to begin with.
  ///   - podHash: of the input of pods.
  init(_ edits: [Edit], _ portions: Portions, from first: Int, podHash: KeyHasher<NamespacedName>) {
    self.edits = edits
    self.portions = portions
    self.podHash = podHash
    making = Mutex(first)
    made = Mutex(Array(repeating: nil, count: portions.ends.count))
  }

  /// A portion. Each thread asks for each once, in their order.
  func portion(_ number: Int) -> PreparedPortion {
    while true {
      if let portion = take(number) { return portion }
      making.withLock { next in
        guard next <= number else { return }
        let portion = PreparedPortion(edits, portions.order[portions.places(next)], podHash)
        made.withLock { $0[next] = portion }
        next += 1
      }
    }
  }

  /// Nothing keeps it once the second thread has it.
  private func take(_ number: Int) -> PreparedPortion? {
    made.withLock { made in
      guard let portion = made[number] else { return nil }
      if portion.isTaken { made[number] = nil }
      portion.isTaken = true
      return portion
    }
  }
}

/// What a portion's edits become.
///
/// `@unchecked Sendable`: one thread makes it, and gives it to both under a lock, under which `isTaken` is used as well. After that
/// nobody changes it but the thread of the clusters' graph, which takes what is its alone; the other one looks at the places in
/// `routed`, where that thread takes nothing away.
final class PreparedPortion: @unchecked Sendable {
  fileprivate(set) var isTaken = false
  /// Places of what the graph of routes is told.
  let routed: [Int32]
  private let edits: UnsafeMutablePointer<PreparedEdit>
  /// Of pods.
  private let hashes: [KeyHash?]
  var count: Int { hashes.count }

  fileprivate init(_ all: [Edit], _ order: ArraySlice<Int32>, _ podHash: KeyHasher<NamespacedName>) {
    edits = .allocate(capacity: order.count)
    var labels = LabelLists()
    var routed: [Int32] = []
    var hashes: [KeyHash?] = []
    hashes.reserveCapacity(order.count)
    for (place, index) in order.enumerated() {
      let edit = PreparedEdit(all[Int(index)], &labels) { _ in nil }
      var hash: KeyHash?
      switch edit {
      case .pod(let id, _): hash = podHash(id)
      case .service, .routes: routed.append(Int32(place))
      case .plain: if case .delete = all[Int(index)] { routed.append(Int32(place)) }
      case .slice, .rule: break
      }
      hashes.append(hash)
      (edits + place).initialize(to: edit)
    }
    self.routed = routed
    self.hashes = hashes
  }

  deinit {
    edits.deinitialize(count: count)
    edits.deallocate()
  }

  subscript(place: Int) -> PreparedEdit { edits[place] }

  /// The hash of a pod; nil for anything else, and past the end.
  func podHash(_ place: Int) -> KeyHash? { place < count ? hashes[place] : nil }

  /// The same for the graph of clusters; what that graph alone needs is then gone from here.
  func take(_ place: Int) -> PreparedEdit {
    switch edits[place] {
    case .service, .routes, .plain: return edits[place]
    case .slice, .pod, .rule: break
    }
    let taken = (edits + place).move()
    (edits + place).initialize(to: .plain)
    return taken
  }
}
