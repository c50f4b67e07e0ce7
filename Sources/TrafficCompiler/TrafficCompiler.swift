public import IncrementalGraph
public import TrafficModel
public import XDSSnapshot

/// Turns the admitted set of objects into what is served, incrementally: an edit recomputes what read it and nothing else.
///
/// The laws of `Graph` hold, and so: the generation depends on the objects and classes alone, never on the order in which
/// they came, and is byte for byte what a new compiler makes of the same objects. Names come from content. Whatever an edit
/// leaves as it was, down to single fragments, is shared with the generation before.
///
/// What can be said of an object alone must hold already, as `TrafficObject` promises: a value beyond Envoy's bounds, such as
/// the size of a hash table, is not looked at again and would have the cluster refused.
///
/// A compiler has one owner at a time; the generations that it hands out may go anywhere.
public final class TrafficCompiler {
  let graph: TrafficGraph
  /// What the two graphs tell of, each in places of its own: see `applySideBySide`.
  let clusterTables: ClusterTables
  var tables: ServedTables
  private let clusterProblems = ProblemChanges()
  private let routeProblems = ProblemChanges()
  private var problemTable = ProblemTable()
  var labels = LabelLists()
  /// While the two graphs are at work side by side: policies that the routes' graph is to know afterwards.
  var waitingPolicies: [(service: NamespacedName, policy: Box<HostPolicy>?)] = []
  var isSideBySide = false
  let clusterDomain: String
  /// How many edits a compiler without objects takes in portions.
  package var largeBatch = 4096
  /// Of how many services, each with what belongs to it. A hundred of them fit into a processor's own cache.
  package var servicesInPortion = 100
  /// While changes are recorded: what the running transaction has changed in what is served.
  private var changedParts: [CompiledChange.Part] = []
  /// Whether they are looked for: from the first time on that somebody wants them.
  private var observesParts = false
  /// Services with releases whose endpoints may have changed.
  var changedCapacities: Set<NamespacedName> = []
  /// Unchecked: looked at for every slice, and no access lasts while anybody else's code runs.
  @exclusivity(unchecked) var releasedServices: [NamespacedName: [ReleaseOverlay]] = [:]

  /// What is served now.
  public private(set) var generation: Generation

  /// - Parameters:
  ///   - clusterDomain: the last part of services' full names.
  ///   - loneEndpointsFrom: from how many endpoints of a cluster on they are served as resources of their own too, for proxies
  ///     that take them so (LEDS); 0 for never. Such a cluster's edits cost O(n log n) for its n endpoints.
  ///   - generationsBegin: the number of the empty generation, from which others count on.
  ///   - checksReads: whether a unit's undeclared read traps; by default in debug builds.
  public init(
    clusterDomain: String = "cluster.local", loneEndpointsFrom: Int = 0, generationsBegin: UInt64 = 0,
    checksReads: Bool = TrafficCompiler.isDebugBuild
  ) {
    graph = TrafficGraph(
      clusterDomain: clusterDomain, loneEndpointsFrom: loneEndpointsFrom, checksReads: checksReads)
    self.clusterDomain = clusterDomain
    clusterTables = ClusterTables(hasLoneEndpoints: loneEndpointsFrom > 0)
    tables = ServedTables(beside: clusterTables)
    generation = tables.current(generationsBegin)
    observeResources()
    observePolicies()
    observeProblems()
    observeCapacities()
  }

  /// Whether this library was built without optimisation.
  public static var isDebugBuild: Bool {
    var isDebug = false
    assert(
      {
        isDebug = true
        return true
      }())
    return isDebug
  }

  /// Applies a batch of edits as one change; the last of several edits of one object counts.
  ///
  /// Returns the same generation object if nothing changed on the wire. Never fails: what cannot be served is left out and
  /// shows in `problems`.
  ///
  /// Cost: in proportion to what the edits change, whatever the number of objects; one endpoint changes one unit for its slice
  /// and one for each assignment that it is in.
  ///
  /// - Parameter releases: for each service named, what releases make of its routes from now on; nothing, if the list is empty.
  @discardableResult
  public func apply(_ edits: [Edit], releases: [NamespacedName: [ReleaseOverlay]] = [:]) -> Generation {
    if edits.count >= largeBatch, graph.isEmpty {
      applyInPortions(edits)
      graph.transaction { apply(releases) }
    } else {
      graph.transaction {
        for edit in edits { apply(edit) }
        apply(releases)
      }
    }
    return publish()
  }

  /// Makes the tables of a class. Without classes nobody is served listeners or routes, and short names of a namespace cost
  /// nothing until there is a class of it.
  ///
  /// Cost: the services of the namespace, if it is the first class there; the TCP ports, if it is the first at its address.
  @discardableResult
  public func addClass(_ proxyClass: ProxyClass) -> Generation {
    graph.transaction { graph.classes.set(true, for: proxyClass) }
    tables.add(proxyClass)
    return publish()
  }

  /// Forgets the tables of a class.
  @discardableResult
  public func removeClass(_ proxyClass: ProxyClass) -> Generation {
    graph.transaction { graph.classes.set(nil, for: proxyClass) }
    tables.remove(proxyClass)
    return publish()
  }

  /// What is wrong with the admitted objects taken together (conflicts, services without endpoints), in the order of object,
  /// field and message. Kept up to date by each edit; listing costs their number.
  public var problems: [Problem] { problemTable.all }

  /// O(1).
  public var problemCount: Int { problemTable.count }

  /// The problems that have appeared since the last call, in the order of `problems`: whoever logs them asks after each edit.
  /// What was there at the last call is left out, even if it had gone in between; and so is what has come and gone since.
  ///
  /// Cost: O(n log n) for the n problems that came or went since, whatever the number of those that are there.
  public func takeNewProblems() -> [Problem] { problemTable.takeNew() }

  // MARK: What ran

  /// Counts of transactions, runs and changes since the start.
  public var statistics: Graph.Statistics { graph.statistics }

  /// Whether `log` records what runs and why. Off by default.
  public var recordsEvents: Bool {
    get { graph.recordsEvents }
    set { graph.recordsEvents = newValue }
  }

  /// How many steps of a change are recorded; what came after them is counted. 0 records nothing and is the default.
  ///
  /// Recording costs some allocations for each step. `takeChange` is to be called after each change then.
  public var recordedSteps: Int {
    get { graph.recordsEvents && graph.clusterGraph.maximumEvents < .max ? graph.clusterGraph.maximumEvents : 0 }
    set {
      if newValue > 0, !observesParts { observeParts() }
      graph.recordsEvents = newValue > 0
      graph.clusterGraph.maximumEvents = newValue > 0 ? newValue : .max
    }
  }

  /// What has been recorded since the last call: which edits came in, what ran and why, what came of it. Nil if nothing was.
  public func takeChange() -> CompiledChange? {
    guard recordedSteps > 0, !log.events.isEmpty else { return nil }
    defer {
      clearLog()
      changedParts = []
    }
    return CompiledChange(generation: generation.number, log: log, parts: changedParts)
  }

  /// What ran while `recordsEvents` was on. It grows until it is cleared.
  public var log: EventLog { graph.clusterGraph.log }

  public func clearLog() { graph.clusterGraph.clearLog() }

  // MARK: Checks

  /// That units of one collection may read another.
  package typealias DeclaredRead = (reader: String, source: String)
  package typealias LawViolation = Violation

  /// All that the compiler declares.
  package var declaredReads: [DeclaredRead] { graph.clusterGraph.declaredReads + graph.routeGraph.declaredReads }

  /// Takes back a declaration, to show that the checks see the read which it covered.
  package func withdraw(_ read: DeclaredRead) {
    graph.clusterGraph.withdraw(read)
    graph.routeGraph.withdraw(read)
  }

  /// Takes violations of the graph's laws, which trap otherwise.
  package func onViolation(_ handler: @escaping (LawViolation) -> Void) {
    graph.clusterGraph.onViolation = handler
    graph.routeGraph.onViolation = handler
  }

  // MARK: Parts

  /// Gives what is served another number, though it is as before: for a change of which that number is the token, where nothing
  /// that is on the wire follows it.
  @discardableResult
  public func renumber() -> Generation {
    generation = tables.current(generation.number + 1)
    return generation
  }

  private func publish() -> Generation {
    for changes in [clusterProblems, routeProblems] { changes.apply(to: &problemTable) }
    if let next = tables.publish(after: generation) { generation = next }
    return generation
  }

  // The closures are the graph's, and the graph is the compiler's: none runs after it. To count a reference at each call would
  // cost more than some of them do.

  /// What settles in the graph goes to the tables.
  private func observeResources() {
    graph.clusters.onChange { [clusterTables] in clusterTables.clusters.note($0.old, $0.new) }
    graph.assignments.onChange { [clusterTables] in clusterTables.note($0.old, $0.new) }
    graph.serviceHosts.onChange { [unowned(unsafe) self] change in
      let (id, old, new) = (change.key, change.old?.content, change.new?.content)
      tables.sharedHosts.note(old?.shared ?? [], new?.shared ?? [])
      let (oldShort, newShort) = (old?.short ?? [], new?.short ?? [])
      if oldShort != newShort { tables.shortHosts[id.namespace, default: .init()].note(oldShort, newShort) }
      let (oldDomains, newDomains) = (old?.shortDomains ?? [], new?.shortDomains ?? [])
      if oldDomains != newDomains { tables.shortDomains[id.namespace, default: .init()].note(oldDomains, newDomains) }
    }
    graph.ownHosts.onChange { [unowned(unsafe) self] in tables.sharedHosts.note($0.old ?? [], $0.new ?? []) }
    graph.httpListeners.onChange { [unowned(unsafe) self] change in
      tables.listeners[change.key, default: .init()].note(change.old, change.new)
    }
    graph.portListeners.onChange { [unowned(unsafe) self] change in
      let (old, new) = (change.old?.resources ?? [:], change.new?.resources ?? [:])
      for (address, resource) in old where new[address] == nil {
        tables.listeners[address, default: .init()].note(resource, nil)
      }
      for (address, resource) in new where old[address] != resource {
        tables.listeners[address, default: .init()].note(old[address], resource)
      }
    }
  }

  private func observeParts() {
    observesParts = true
    record(graph.clusters, .cluster) { [$0] }
    record(graph.assignments, .endpoint) { [$0.content.resource] }
    record(graph.serviceHosts, .route) { $0.content.shared + $0.content.short }
    record(graph.ownHosts, .route) { $0 }
    record(graph.httpListeners, .listener) { [$0] }
    record(graph.portListeners, .listener) { Array($0.resources.values) }
  }

  /// While changes are recorded: which parts of what is served became others, and which step made them so.
  private func record<Key, Value, Element: ReferencingElement & Equatable>(
    _ collection: Collection<Key, Value>, _ type: ResourceType, _ elements: @escaping (Value) -> [Element]
  ) {
    collection.onChange { [unowned(unsafe) self] change in
      guard graph.recordsEvents, changedParts.count < recordedSteps else { return }
      let (before, after) = (change.old.map(elements) ?? [], change.new.map(elements) ?? [])
      let step = collection.event(thatChanged: change.key)
      let names = Set((before.filter { !after.contains($0) } + after.filter { !before.contains($0) }).map(\.key))
      for name in names.sorted() { changedParts.append(.init(type: type, name: name, step: step)) }
    }
  }

  /// What says something to routes goes to their graph, which settles after this one.
  private func observePolicies() {
    graph.policies.onChange { [unowned(unsafe) self] change in
      let policy = change.new.flatMap { $0.content.concernsRoutes ? $0 : nil }
      guard policy != nil || change.old?.content.concernsRoutes == true else { return }
      if isSideBySide {
        waitingPolicies.append((change.key, policy))
      } else {
        graph.routePolicies.mirror(policy, for: change.key, because: graph.policies.event(thatChanged: change.key))
      }
    }
  }

  private func observeProblems() {
    clusterProblems.observe(graph.policies, \.content.problems)
    clusterProblems.observe(graph.ruleProblems, \.self)
    clusterProblems.observe(graph.assignments, \.content.problems)
    routeProblems.observe(graph.hostClaims, \.content.problems)
    routeProblems.observe(graph.portListeners, \.problems)
    routeProblems.observe(graph.serviceProblems, \.self)
  }
}
