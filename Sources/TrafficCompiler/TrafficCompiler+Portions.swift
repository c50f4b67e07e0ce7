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
  ///
  /// A log has no place for two threads; it is full already if there is one, and of what it would have counted the runs of units
  /// are counted.
  private func applySideBySide(_ edits: [Edit], _ portions: Portions, from first: Int) {
    guard first < portions.ends.count else { return }
    let recordsEvents = graph.recordsEvents
    let runs = graph.statistics.runs
    graph.recordsEvents = false
    let prepared = PreparedEdits(edits, portions, from: first, KeyHashers(graph))
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
    for number in first..<portions.ends.count {
      let portion = prepared.portion(number)
      let start = portions.places(number).lowerBound
      graph.clusterGraph.transaction {
        for place in 0..<portion.count {
          portion.expect(place + Self.lookahead, in: graph)
          let edit = portion.take(place)
          // Most are pods.
          if case .pod(let id, let facts) = edit, let hash = portion.hash(place) {
            graph.pods.set(facts, for: id, hash: hash)
          } else if case .slice(let id, let facts) = edit, let hash = portion.hash(place) {
            graph.slices.set(facts, for: id, hash: hash)
          } else {
            applyToClusters(edits[Int(portions.order[start + place])], edit)
          }
        }
      }
      clusterTables.endPortion()
    }
  }

  private func applyToRoutes(_ edits: [Edit], _ prepared: PreparedEdits, _ portions: Portions, from first: Int) {
    for number in first..<portions.ends.count {
      let portion = prepared.portion(number)
      let start = portions.places(number).lowerBound
      graph.routeGraph.transaction {
        for (index, place) in portion.routed.enumerated() {
          portion.expectRouted(index + Self.lookahead, in: graph)
          applyToRoutes(edits[Int(portions.order[start + Int(place)])], portion[Int(place)])
        }
      }
      tables.endPortion()
    }
    // As a rule the other thread is still at work.
    tables.settleHosts()
  }

  /// How many edits ahead the memory of one is asked for.
  private static var lookahead: Int { 8 }

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
    // Each pod is read by a slice's unit, and so is its node; of the rest each unit of a service reads a few.
    graph.clusterGraph.reserve(reads: 2 * pods + 16 * services)
    graph.routeGraph.reserve(reads: 10 * services)
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
