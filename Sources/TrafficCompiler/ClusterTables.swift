import Dispatch
import XDSSnapshot

/// The tables that come from the graph of clusters and endpoints, apart from those of routes and listeners, for in a large first
/// batch each graph has a thread of its own.
///
/// Unchecked, for the check would cost as much as a note: no access lasts while anybody else's code runs.
final class ClusterTables {
  @exclusivity(unchecked) var clusters = PendingTable<Resource>()
  @exclusivity(unchecked) var endpoints = PendingTable<Resource>()
  /// Whether assignments are served without their endpoints as well, where these are many.
  private let hasLoneEndpoints: Bool
  private var loneAssignments = PendingTable<Resource>()
  private var loneEndpoints = PendingTable<Resource>()

  init(hasLoneEndpoints: Bool) { self.hasLoneEndpoints = hasLoneEndpoints }

  func note(_ old: Box<Assignment>?, _ new: Box<Assignment>?) {
    endpoints.note(old?.content.resource, new?.content.resource)
    guard hasLoneEndpoints else { return }
    let assignment = new.map { $0.content.lone?.assignment ?? $0.content.resource }
    let before = old.map { $0.content.lone?.assignment ?? $0.content.resource }
    // One endpoint more leaves the assignment as it is.
    if assignment != before { loneAssignments.note(before, assignment) }
    loneEndpoints.note(from: old?.content.lone?.endpoints ?? .init(), to: new?.content.lone?.endpoints ?? .init())
  }

  /// A transaction of the clusters' graph has settled that is not published by itself.
  func endPortion() {
    clusters.endPortion()
    endpoints.endPortion()
    loneAssignments.endPortion()
    loneEndpoints.endPortion()
  }

  /// Returns whether anything has changed.
  func settle() -> Bool {
    var hasChanged = (clusters: false, endpoints: false)
    if min(clusters.changeCount, endpoints.changeCount) >= 2048 {
      // Side by side where each has much to do. They have nothing to do with each other, and come out as they would one by one:
      // each piece of work has a table and an answer of its own, and both have ended when the call returns.
      withUnsafeMutablePointer(to: &hasChanged) { hasChanged in
        nonisolated(unsafe) let (tables, hasChanged) = (self, hasChanged)
        DispatchQueue.concurrentPerform(iterations: 2) { piece in
          if piece == 0 {
            hasChanged.pointee.endpoints = tables.endpoints.settle()
          } else {
            hasChanged.pointee.clusters = tables.clusters.settle()
          }
        }
      }
    } else {
      hasChanged = (clusters.settle(), endpoints.settle())
    }
    let lone = (assignments: loneAssignments.settle(), endpoints: loneEndpoints.settle())
    return hasChanged.clusters || hasChanged.endpoints || lone.assignments || lone.endpoints
  }

  /// What is served to proxies that take endpoints one by one.
  var servedAlone: Generation.LoneEndpoints? {
    hasLoneEndpoints ? .init(assignments: loneAssignments.table, endpoints: loneEndpoints.table) : nil
  }
}
