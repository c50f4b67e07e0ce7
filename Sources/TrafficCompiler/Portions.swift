import Dispatch
import TrafficModel

extension TrafficCompiler {
  /// As one transaction after the other, of which only the outcome is published. The graph's values depend on its inputs and
  /// not on how these were batched, so the outcome is the same.
  func applyInPortions(_ edits: [Edit]) {
    let objects = reserve(for: edits)
    let portions = Portions(edits, servicesEach: servicesInPortion, clusterDomain: clusterDomain)
    var next = 0
    while graph.recordsEvents, !graph.clusterGraph.isLogFull, next < portions.ends.count {
      graph.transaction {
        for place in portions.places(next) { apply(edits[Int(portions.order[place])]) }
      }
      clusterTables.endPortion()
      tables.endPortion()
      next += 1
    }
    applySideBySide(edits, portions, from: next)
    guard graph.objectCount != objects else { return }
    // An object came more than once, or went: the last that was said of it counts, in the order in which it was said.
    graph.transaction {
      for edit in edits { apply(edit) }
    }
    clusterTables.endPortion()
    tables.endPortion()
  }

  /// Each graph on a thread of its own. They share no state: a graph's inputs and what its observers write (`clusterTables` and
  /// `clusterProblems` here, `tables` and `routeProblems` there) are touched by one of them; what both are told is never changed.
  /// What the first tells the second, policies, waits until both have ended.
  /// A log has no place for two threads; it is full already if there is one, and of what it would have counted the runs of units
  /// are counted.
  private func applySideBySide(_ edits: [Edit], _ portions: Portions, from first: Int) {
    guard first < portions.ends.count else { return }
    let recordsEvents = graph.recordsEvents
    let runs = graph.statistics.runs
    graph.recordsEvents = false
    let prepared = PreparedEdits(edits, portions, from: first)
    isSideBySide = true
    nonisolated(unsafe) let compiler = self
    DispatchQueue.concurrentPerform(iterations: 2) { half in
      if half == 0 {
        compiler.applyToClusters(edits, prepared, portions, from: first)
      } else {
        compiler.applyToRoutes(edits, prepared, portions, from: first)
      }
    }
    isSideBySide = false
    if !waitingPolicies.isEmpty {
      graph.transaction {
        for (service, policy) in waitingPolicies { graph.routePolicies.mirror(policy, for: service, because: nil) }
      }
      waitingPolicies = []
      tables.endPortion()
    }
    graph.recordsEvents = recordsEvents
    if recordsEvents { graph.clusterGraph.noteOmitted(Int(graph.statistics.runs - runs)) }
  }

  private func applyToClusters(_ edits: [Edit], _ prepared: PreparedEdits, _ portions: Portions, from first: Int) {
    for portion in first..<portions.ends.count {
      prepared.make(portion)
      let places = portions.places(portion)
      graph.clusterGraph.transaction {
        for place in places {
          if place + Self.lookahead < places.upperBound {
            prefetch(edits[Int(portions.order[place + Self.lookahead])])
          }
          applyToClusters(edits[Int(portions.order[place])], prepared.take(place))
        }
      }
      clusterTables.endPortion()
    }
  }

  private func applyToRoutes(_ edits: [Edit], _ prepared: PreparedEdits, _ portions: Portions, from first: Int) {
    for portion in first..<portions.ends.count {
      prepared.make(portion)
      graph.routeGraph.transaction {
        for place in portions.places(portion) {
          // Of all else the other thread takes what there is.
          switch edits[Int(portions.order[place])] {
          case .upsert(.service), .upsert(.virtualService), .delete:
            applyToRoutes(edits[Int(portions.order[place])], prepared[place])
          case .upsert: break
          }
        }
      }
      tables.endPortion()
    }
    // As a rule the other thread is still at work.
    tables.settleHosts()
  }

  /// How many edits ahead the memory of one is asked for.
  private static var lookahead: Int { 8 }

  /// The other kinds are few beside pods.
  private func prefetch(_ edit: Edit) {
    if case .upsert(.pod(let object)) = edit { graph.pods.prefetch(object.id) }
  }

  /// Returns how many objects there will be, if none comes twice and none goes.
  private func reserve(for edits: [Edit]) -> Int {
    var (services, slices, pods, nodes, rules, virtualServices) = (0, 0, 0, 0, 0, 0)
    for edit in edits {
      switch edit {
      case .upsert(.service): services += 1
      case .upsert(.endpointSlice): slices += 1
      case .upsert(.pod): pods += 1
      case .upsert(.node): nodes += 1
      case .upsert(.destinationRule): rules += 1
      case .upsert(.virtualService): virtualServices += 1
      case .upsert(.namespace), .delete: break
      }
    }
    graph.services.reserve(adding: services)
    graph.routedServices.reserve(adding: services)
    graph.slices.reserve(adding: slices)
    graph.pods.reserve(adding: pods)
    graph.nodes.reserve(adding: nodes)
    graph.destinationRules.reserve(adding: rules)
    graph.virtualServices.reserve(adding: virtualServices)
    return services + slices + pods + nodes + rules + virtualServices
  }
}

extension TrafficGraph {
  fileprivate var objectCount: Int {
    services.count + slices.count + pods.count + nodes.count + destinationRules.count + virtualServices.count
  }

  /// Whether there is no object.
  var isEmpty: Bool { objectCount == 0 }
}

/// The order in which a large first batch is best applied: a hundred services at a time, each with what belongs to it. What one
/// service's objects become is then still in the processor's cache when the next step reads it.
///
/// Nothing but time depends on it: a unit that ran too early runs again.
struct Portions {
  /// Indices of the edits, portion by portion; within one in the order in which they came.
  private(set) var order: [Int32] = []
  /// Where each portion ends.
  private(set) var ends: [Int] = []

  /// More pods than this in a row are a list of pods; fewer are one service's, and go where the edit before them goes.
  private static let fewPods = 64

  init(_ edits: [Edit], servicesEach: Int, clusterDomain: String) {
    // The first is of what all may read.
    var portions = [Int32](repeating: 0, count: edits.count)
    var services = Numbering()
    var current: Int32 = 0
    var index = 0
    while index < edits.count {
      var end = index + 1
      switch edits[index] {
      case .upsert(.pod):
        while end < edits.count, case .upsert(.pod) = edits[end] { end += 1 }
        if end - index <= Self.fewPods { for pod in index..<end { portions[pod] = current } }
      case .upsert(.node), .upsert(.namespace), .delete: break
      case .upsert(let object):
        let service = object.relatedService(clusterDomain: clusterDomain)
        current = services.number(service) / Int32(servicesEach) + 1
        portions[index] = current
      }
      index = end
    }
    ends = Array(repeating: 0, count: Int(services.count) / servicesEach + 2)
    for portion in portions { ends[Int(portion)] += 1 }
    var next: [Int] = []
    var sum = 0
    for portion in ends.indices {
      next.append(sum)
      sum += ends[portion]
      ends[portion] = sum
    }
    order = Array(repeating: 0, count: edits.count)
    for (edit, portion) in portions.enumerated() {
      order[next[Int(portion)]] = Int32(edit)
      next[Int(portion)] += 1
    }
  }

  /// Where a portion is in `order`.
  func places(_ portion: Int) -> Range<Int> { (portion == 0 ? 0 : ends[portion - 1])..<ends[portion] }

  /// Numbers names as they come.
  private struct Numbering {
    private var numbers: [NamespacedName: Int32] = [:]
    private var latest: (name: NamespacedName, number: Int32)?

    var count: Int32 { Int32(numbers.count) }

    mutating func number(_ name: NamespacedName) -> Int32 {
      if let latest, latest.name == name { return latest.number }
      let number = numbers[name] ?? count
      numbers[name] = number
      latest = (name, number)
      return number
    }
  }
}

extension TrafficObject {
  /// The service that reads the object, or the most likely one; its own name where it names none.
  fileprivate func relatedService(clusterDomain: String) -> NamespacedName {
    switch self {
    case .service(let object): object.id
    case .endpointSlice(let object): NamespacedName(namespace: object.id.namespace, name: object.service)
    case .destinationRule(let object): object.service(clusterDomain: clusterDomain) ?? object.id
    case .virtualService(let object):
      object.hosts.first.flatMap {
        HostName.service(written: $0, namespace: object.id.namespace, clusterDomain: clusterDomain)
      } ?? object.id
    case .pod(let object): object.id
    case .node, .namespace: key.id
    }
  }
}
