public import EnvoyAPI
internal import NIOCore
internal import XDSSnapshot

/// What is to be taken away: no proxy may be able to pick it any more.
public enum TerminationSubject: Sendable {
  /// An endpoint, in whatever cluster it is.
  case endpoint(EndpointSearch)
  /// Clusters, by name: safe when no route or listener that a proxy may have names one.
  case clusters(Set<String>)
}

/// Whether something can be terminated without a new request coming to it. (Requests under way go on for as long as they take:
/// whoever terminates gives them time.)
public struct Termination: Sendable {
  /// No proxy can pick it.
  public var isSafe: Bool
  /// Where it can be picked by what is served now: assignments that have it, or clusters that routes name.
  public var served: [String]
  /// Proxies that can still pick it, by node id.
  public var holders: [Holder]
  /// How many proxies were asked: streams, and those that were connected lately.
  public var total: Int

  public struct Holder: Sendable, Hashable {
    public var nodeID: String
    public var remoteAddress: String
    /// Where: assignments that it may have, or clusters that its routes may name. Empty where that is not known.
    public var resources: [String]
    /// Since when it is not connected; nil if it is.
    public var disconnectedFor: Duration?

    public init(nodeID: String, remoteAddress: String, resources: [String], disconnectedFor: Duration? = nil) {
      self.nodeID = nodeID
      self.remoteAddress = remoteAddress
      self.resources = resources
      self.disconnectedFor = disconnectedFor
    }
  }

  public init(isSafe: Bool, served: [String], holders: [Holder], total: Int) {
    self.isSafe = isSafe
    self.served = served
    self.holders = holders
    self.total = total
  }
}

extension XDSServer {
  /// Whether something can be terminated, now.
  ///
  /// The endpoints of a cluster drain, or have gone, in what is served before they are safe: a proxy counts when it has
  /// accepted that. Where all endpoints of an assignment drain they are served as healthy, so they are not safe.
  ///
  /// Cost: the first look reads all assignments that are served, some 10 ms for a million endpoints; then each stream.
  public func termination(of subject: TerminationSubject) async -> Termination {
    let goal = TerminationGoal(subject, shared)
    guard let generation else { return Termination(isSafe: false, served: [], holders: [], total: 0) }
    _ = goal.admits(generation)
    return await termination(goal)
  }

  /// Returns the moment something can be terminated, or when the time is over, with those that can still pick it.
  ///
  /// - Throws: `CancellationError`, or what the clock throws.
  public func termination(
    of subject: TerminationSubject, within time: Duration, clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> Termination {
    let goal = TerminationGoal(subject, shared)
    // The long look, before anybody has to wait for it.
    if let generation { _ = goal.admits(generation) }
    let watch = ConvergenceWatch(goal: goal, scope: .all, countsStrangers: true)
    add(watch)
    defer { remove(watch) }
    guard try await watch.isMet(within: time, clock: clock) else { return await termination(goal) }
    return Termination(isSafe: true, served: [], holders: [], total: watch.counts.total)
  }

  private func termination(_ goal: TerminationGoal) async -> Termination {
    var result = Termination(isSafe: false, served: goal.served, holders: [], total: 0)
    let (parts, departed) = await ask { $0.holders(goal) }
    for part in parts {
      result.total += part.total
      result.holders += part.holders
    }
    for departed in departed {
      result.total += 1
      let resources = goal.holdings(of: departed)
      guard resources != .none else { continue }
      result.holders.append(
        .init(
          nodeID: departed.identity.nodeID, remoteAddress: departed.identity.remoteAddress, resources: resources.names,
          disconnectedFor: .nanoseconds((NIODeadline.now() - departed.since).nanoseconds)))
    }
    if let since = departures.strangersSince {
      result.total += 1
      result.holders.append(
        .init(
          nodeID: Departures.strangers, remoteAddress: "", resources: [],
          disconnectedFor: .nanoseconds((NIODeadline.now() - since).nanoseconds)))
    }
    result.holders.sort { ($0.nodeID, $0.remoteAddress) < ($1.nodeID, $1.remoteAddress) }
    result.isSafe = generation != nil && result.served.isEmpty && result.holders.isEmpty
    return result
  }
}

extension LoopStreams {
  func holders(_ goal: TerminationGoal) -> (total: Int, holders: [Termination.Holder]) {
    var result: (total: Int, holders: [Termination.Holder]) = (0, [])
    forEachIdentified { stream in
      result.total += 1
      let holdings = stream.holdings(goal)
      guard holdings != .none, let identity = stream.identity else { return }
      result.holders.append(
        .init(nodeID: identity.nodeID, remoteAddress: identity.remoteAddress, resources: holdings.names))
    }
    return result
  }
}
