internal import Synchronization
internal import XDSSnapshot

/// Which of the two xDS protocol variants a stream speaks.
public enum XDSProtocol: String, Sendable, Hashable, CaseIterable {
  case stateOfTheWorld = "sotw"
  case delta
}

/// The content of one response, shared by all streams that are in the same state: everything but the nonce.
final class ResponsePlan: Sendable {
  /// The state of a stream as far as a response depends on it. Equal keys, equal responses.
  struct Key: Hashable, Sendable {
    var type: ResourceType
    var variant: XDSProtocol
    /// What the client holds and what it is to hold.
    var from: ContentHash
    var to: ContentHash
    var subscription: Subscription.Identity
    var owed: Owed.Identity
    /// Clusters that changed between these tables take their endpoints again.
    var clustersFrom = ContentHash.empty
    var clustersTo = ContentHash.empty
    /// Clusters of the first table that are in neither of the others came on this stream and have gone again.
    var clustersSent = ContentHash.empty
    var clustersNow = ContentHash.empty
    var clustersArrived = ContentHash.empty
    var namesArrived = NameSet.Identity()
    var clusterSubscription = Subscription().identity
    /// Of the state of the world, which cannot say that something is not there: a request for nothing but such is answered with
    /// nothing, as other servers do.
    var answersRequest = false
    /// The name of no resource, told as removed where nothing else is: Envoy goes on waiting after an empty answer.
    var nothing: String?

    /// Of what tells responses apart, enough for a table: all of it is compared.
    func hash(into hasher: inout Hasher) {
      hasher.combine(from.low)
      hasher.combine(to.low)
      hasher.combine(subscription.names.sum)
      hasher.combine(clustersFrom.low)
      hasher.combine(type.rawValue)
    }
  }

  /// What a response of endpoints depends on beside the endpoints.
  struct Clusters: Sendable {
    var renewed = TableChange.none
    var doomed = TableChange.none
    var arrived = ResourceTable()
    var arrivedNames = NameSet.empty
    var subscription: Subscription

    func hasArrived(_ name: String) -> Bool { arrived[name] != nil && arrivedNames.contains(name) }
  }

  let type: ResourceType
  let variant: XDSProtocol
  /// What is sent, in the order in which it is sent.
  let resources: [Resource]
  /// Names in `removed_resources` (delta).
  let removed: [String]
  /// What a refusal of this response can be about: what is new to the client in it.
  let news: [Resource]
  /// The names of those that stand for a resource that is not there.
  let stubs: Set<String>
  /// Names that the client holds no longer once it has accepted this.
  let withdrawn: [String]
  /// `version_info`, or `system_version_info`.
  let version: String
  /// Nothing to tell the client.
  let isEmpty: Bool
  /// The names of all that the client is told about.
  let names: Set<String>
  let encoded = Mutex(EncodedPlan())

  /// About how many bytes the plan holds, beside what it shares with tables.
  var cost: Int { 512 + names.count * 64 + (resources.count + news.count) * 8 + (removed.count + withdrawn.count) * 16 }

  /// - Complexity: O(d) for d differences and owed names; O(subscription) where everything is owed, or the protocol asks
  ///   for the full state.
  init(
    key: Key, from: ResourceTable, to: ResourceTable, subscription: Subscription, owed: Owed, change: TableChange,
    clusters: Clusters, stub: (ResourceType, String) -> Resource
  ) {
    type = key.type
    variant = key.variant
    var resources: [Resource] = []
    var news: [Resource] = []
    var removed: [String] = []
    var withdrawn: [String] = []
    var visited: Set<String> = []
    var stubs: Set<String> = []

    let doomed = Set(
      clusters.doomed.entries.lazy.filter {
        $0.new == nil && clusters.subscription.covers($0.name) && !clusters.hasArrived($0.name)
      }.map(\.name))

    /// Tells the client about one name anew.
    func tell(_ name: String) {
      guard visited.insert(name).inserted else { return }
      if key.type == .loneEndpoint && name.isCollection {
        // Without a member its name is told as removed: Envoy goes on waiting after an empty answer.
        let members = to.keys(referencing: name)
        if members.isEmpty { removed.append(name) }
        for member in members.sorted() { tell(member) }
        return
      }
      if let resource = to[name], !resource.isClaim {
        resources.append(resource)
        news.append(resource)
      } else if to[name] == nil {
        if key.type == .route {
          // Never a removal: Envoy waits forever for a route table that it is told is not there.
          let stub = stub(.route, name)
          stubs.insert(name)
          resources.append(stub)
          news.append(stub)
        } else if doomed.contains(name) {
          // Envoy would wait 15 s for the endpoints of a cluster that went while it was warming, and keep its ACK back.
          let stub = stub(.endpoint, name)
          stubs.insert(name)
          resources.append(stub)
          news.append(stub)
        } else {
          removed.append(name)
        }
      }
    }

    for entry in change.entries where subscription.covers(entry.name) {
      if entry.new == nil { withdrawn.append(entry.name) }
      // Gone while the client was away, and come back as it was.
      if let old = entry.old, let new = entry.new, old.isClaim(of: new.version) { continue }
      tell(entry.name)
    }
    switch owed {
    case .nothing: break
    case .names(let names): for name in names.sorted() where subscription.covers(name) { tell(name) }
    case .everything:
      if subscription.isWildcard { to.tree.forEach { tell($0.name) } }
      for name in subscription.names.names { tell(name) }
    }
    for entry in clusters.renewed.entries
    where entry.new != nil && subscription.covers(entry.name) && clusters.subscription.covers(entry.name) {
      tell(entry.name)
    }

    if let nothing = key.nothing, resources.isEmpty, removed.isEmpty, case .everything = owed {
      removed.append(nothing)
    }

    let isTold = !visited.isEmpty
    if key.variant == .stateOfTheWorld {
      if key.type.isFullState {
        // An answer that is owed is given even when there is nothing, so that the client can go on.
        isEmpty = !isTold && owed.isNothing
        if !isEmpty {
          resources = []
          if subscription.isWildcard {
            to.tree.forEach { if !$0.isClaim { resources.append($0) } }
          } else {
            for name in subscription.names.names.sorted() {
              if let resource = to[name], !resource.isClaim { resources.append(resource) }
            }
          }
        }
      } else {
        isEmpty = resources.isEmpty && !(key.answersRequest && isTold)
      }
      removed = []
    } else {
      isEmpty =
        switch owed {
        // The first answer of a type with a wildcard is given even when there is nothing.
        case .everything: resources.isEmpty && removed.isEmpty && !subscription.isWildcard
        default: resources.isEmpty && removed.isEmpty
        }
    }
    self.resources = resources
    self.news = news
    self.stubs = stubs
    self.removed = removed
    self.withdrawn = withdrawn
    // In a partial response of the state of the world, what is not there is not told.
    names = key.variant == .stateOfTheWorld && !key.type.isFullState ? Set(resources.map(\.name)) : visited
    version =
      if key.variant == .delta || (key.type.isFullState && subscription.isWildcard) {
        to.contentHash.text
      } else if resources.count == 1 {
        resources[0].version
      } else {
        resources.sorted { $0.name < $1.name }.reduce(ContentHash.empty) { ContentHash($0, $1.contentHash) }.text
      }
  }
}

/// Tells responses of one type on one stream apart: the generation that a response was made from and, from the second
/// response of that generation on, a count. The first is the same for all streams, and so is the whole message then.
struct Nonce: Hashable, Sendable {
  var generation: UInt64
  var repetition: UInt32 = 0

  var text: String { repetition == 0 ? "\(generation)" : "\(generation).\(repetition)" }

  /// The nonce of the response after this one.
  func following(in generation: UInt64) -> Nonce {
    guard generation == self.generation else { return Nonce(generation: generation) }
    // A client that asks without end gets to the last number of a generation that stays.
    return Nonce(generation: generation, repetition: repetition == .max ? 1 : repetition + 1)
  }
}
