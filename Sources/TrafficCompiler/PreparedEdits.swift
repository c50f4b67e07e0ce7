internal import CPrefetch
import IncrementalGraph
import Synchronization
import TrafficModel

/// Makes what the edits of a large batch become, portion by portion, for two threads: the one that comes to a portion first makes
/// it, and as a rule that is the one that has less to do otherwise.
final class PreparedEdits: Sendable {
  private let edits: [Edit]
  private let portions: Portions
  private let hashers: KeyHashers
  /// The portion to be made next.
  private let making: Mutex<Int>
  /// By number: those that are made, until both threads have them.
  private let made: Mutex<[PreparedPortion?]>

  /// - Parameters:
  ///   - first: the portion to begin with.
  init(_ edits: [Edit], _ portions: Portions, from first: Int, _ hashers: KeyHashers) {
    self.edits = edits
    self.portions = portions
    self.hashers = hashers
    making = Mutex(first)
    made = Mutex(Array(repeating: nil, count: portions.ends.count))
  }

  /// A portion. Each thread asks for each once, in their order.
  func portion(_ number: Int) -> PreparedPortion {
    while true {
      if let portion = take(number) { return portion }
      making.withLock { next in
        guard next <= number else { return }
        let portion = PreparedPortion(edits, portions.order[portions.places(next)], hashers)
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

/// Of the inputs that come in great numbers: in a large transaction an edit mostly waits for its key's place in a table.
struct KeyHashers: Sendable {
  let pods, services, slices, rules, routedServices, virtualServices: KeyHasher<NamespacedName>

  init(_ graph: TrafficGraph) {
    pods = graph.pods.hasher
    services = graph.services.hasher
    slices = graph.slices.hasher
    rules = graph.destinationRules.hasher
    routedServices = graph.routedServices.hasher
    virtualServices = graph.virtualServices.hasher
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
  /// Of what the graph of clusters is told, and, for each of `routed`, of what that of routes is.
  private let hashes: [KeyHash?]
  private let routedHashes: [KeyHash?]
  /// What was made, as the place that it was made in, on the other thread: for hints only.
  private let objects: [UnsafeRawPointer?]
  var count: Int { hashes.count }

  fileprivate init(_ all: [Edit], _ order: ArraySlice<Int32>, _ hashers: KeyHashers) {
    edits = .allocate(capacity: order.count)
    var labels = LabelLists()
    var routed: [Int32] = []
    var (hashes, routedHashes): ([KeyHash?], [KeyHash?]) = ([], [])
    func route(_ place: Int, _ hash: KeyHash?) {
      routed.append(Int32(place))
      routedHashes.append(hash)
    }
    hashes.reserveCapacity(order.count)
    var objects: [UnsafeRawPointer?] = []
    objects.reserveCapacity(order.count)
    for (place, index) in order.enumerated() {
      let edit = PreparedEdit(all[Int(index)], &labels) { _ in nil }
      var hash: KeyHash?
      var object: AnyObject?
      switch edit {
      case .pod(let id, _): hash = hashers.pods(id)
      case .slice(let id, let facts): (hash, object) = (hashers.slices(id), facts)
      case .rule(let rule): (hash, object) = (hashers.rules(rule.content.id), rule)
      case .service(let service):
        object = service
        hash = hashers.services(service.content.id)
        route(place, hashers.routedServices(service.content.id))
      case .routes(let routes): route(place, hashers.virtualServices(routes.content.id))
      case .plain: if case .delete = all[Int(index)] { route(place, nil) }
      }
      hashes.append(hash)
      objects.append(object.map { UnsafeRawPointer(Unmanaged.passUnretained($0).toOpaque()) })
      (edits + place).initialize(to: edit)
    }
    self.routed = routed
    self.hashes = hashes
    self.routedHashes = routedHashes
    self.objects = objects
  }

  deinit {
    edits.deinitialize(count: count)
    edits.deallocate()
  }

  subscript(place: Int) -> PreparedEdit { edits[place] }

  /// Of the key that the graph of clusters is to set; nil if there is none.
  func hash(_ place: Int) -> KeyHash? { hashes[place] }

  /// Has the processor fetch the place of a key that the graph of clusters is about to set, and the object. Past the end nothing
  /// happens.
  func expect(_ place: Int, in graph: TrafficGraph) {
    guard place < count, let hash = hashes[place] else { return }
    if let object = objects[place] {
      weir_prefetch(object)
      weir_prefetch(object + 64)
    }
    switch edits[place] {
    case .pod: graph.pods.prefetch(hash)
    case .slice: graph.slices.prefetch(hash)
    case .rule: graph.destinationRules.prefetch(hash)
    case .service: graph.services.prefetch(hash)
    case .routes, .plain: break
    }
  }

  /// The same for the graph of routes.
  /// - Parameter index: into `routed`.
  func expectRouted(_ index: Int, in graph: TrafficGraph) {
    guard index < routed.count, let hash = routedHashes[index] else { return }
    switch edits[Int(routed[index])] {
    case .service: graph.routedServices.prefetch(hash)
    case .routes: graph.virtualServices.prefetch(hash)
    case .pod, .slice, .rule, .plain: break
    }
  }

  /// An edit for the graph of clusters; what that graph alone needs is then gone from here.
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
