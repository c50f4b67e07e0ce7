internal import XDSSnapshot

/// What a client refused, of one type on one stream.
///
/// A refused content is not sent again, unless the client asks for it anew. Where a response with several resources was
/// refused and the client does not say which was bad, the rest must not be lost with it: its halves are tried one after
/// the other, down to the bad ones, so a bad resource among n costs 2 log2 n responses and the others arrive. After
/// `limit` refusals without a good end all that is left is given up until it changes.
struct Quarantine: Sendable {
  /// A content that was refused. A stub stands for the absence of its resource.
  struct Content: Sendable, Hashable {
    var hash: ContentHash
    var isStub: Bool

    func isContent(of resource: Resource?) -> Bool {
      resource.map { $0.contentHash == hash } ?? isStub
    }
  }

  /// Not sent as long as this is their content.
  private(set) var blocked: [String: Content] = [:]
  /// Not tried yet, except for the first group, which is part of the next response.
  private(set) var groups: [[String: Content]] = []
  /// What the client may or may not have taken from refused responses: told again with the next response.
  private(set) var doubtful: Set<String> = []
  /// Of the doubtful, what the client was told to drop by a response that it refused: it may not have it any more, in no
  /// version. Of the others that it had it has at least the version before.
  private(set) var dropped: Set<String> = []
  /// Of the doubtful, what the client has blamed each time that it was sent, so that it cannot have taken it.
  private(set) var untaken: Set<String> = []
  /// The table refused last: the client may hold parts of it.
  private(set) var refused: ResourceTable
  private var refusals = 0
  /// Has been withdrawn alone from a client that was silent.
  private var suspected: [String: Content] = [:]

  static let limit = 32

  init(refused: ResourceTable) { self.refused = refused }

  /// A response with this news was refused. Gives back what is known or suspected to be bad.
  mutating func refuse(_ plan: ResponsePlan, table: ResourceTable, reason: RefusalText) -> [String] {
    refused = table
    refusals += 1
    if !groups.isEmpty { groups.removeFirst() }
    let news = plan.news
    let named = news.filter { reason.names($0.name) }
    let blamed = news.count == 1 ? news : named
    let stillUntaken = blamed.map(\.name).filter { !doubtful.contains($0) || untaken.contains($0) }
    untaken.subtract(plan.names)
    untaken.formUnion(stillUntaken)
    doubtful.formUnion(plan.names)
    dropped.formUnion(plan.withdrawn)
    let bad: [Resource]
    if plan.type == .virtualHost, news.count == 1, !groups.isEmpty, refusals < Self.limit,
      suspected.updateValue(Content(hash: news[0].contentHash, isStub: false), forKey: news[0].name)?.hash
        != news[0].contentHash
    {
      // It may want a domain that another host gives up in a group that is still to come: once more after that.
      groups.append(Self.group(news[...], plan))
      return news.map(\.name)
    }
    if news.count == 1 || refusals >= Self.limit {
      bad = news
    } else if !named.isEmpty && named.count < news.count {
      bad = named
    } else {
      let half = news.count / 2
      groups.insert(Self.group(news[half...], plan), at: 0)
      groups.insert(Self.group(news[..<half], plan), at: 0)
      return news.map(\.name)
    }
    blocked.merge(Self.group(bad[...], plan)) { $1 }
    if refusals >= Self.limit {
      for group in groups { blocked.merge(group) { $1 } }
      groups = []
    }
    return bad.map(\.name)
  }

  /// A response is given up without an answer: whether the client has taken it is not known.
  ///
  /// - Parameter isTrial: it had the first group in it.
  mutating func leave(_ plan: ResponsePlan, table: ResourceTable, isTrial: Bool) {
    refused = table
    if isTrial && !groups.isEmpty { groups.removeFirst() }
    untaken.subtract(plan.names)
    doubtful.formUnion(plan.names)
    dropped.formUnion(plan.withdrawn)
  }

  /// A full state was refused by a client that holds something unknown. Leaving the bad out of the next would delete what
  /// the client may hold of it, so all stays in. Envoy names what is bad in a full state and takes the rest (a client that
  /// names nothing may have taken nothing).
  mutating func refuseFullState(_ plan: ResponsePlan, table: ResourceTable, reason: RefusalText) -> [String] {
    refused = table
    // What was refused before is in every later response, and may be all that the client complains of.
    let named = plan.resources.filter { reason.names($0.name) }
    let bad = named.isEmpty ? plan.news : named
    blocked.merge(Self.group(bad[...], plan)) { $1 }
    doubtful = Set(blocked.keys)
    untaken = []
    // Nor is that known of what had been refused and is new.
    dropped = doubtful
    return bad.map(\.name)
  }

  /// The client was silent until these were withdrawn, group by group. Each is tried again: one that is alone once more, for
  /// the client may have been slow. Gives back those that are blocked, because it was not the first time.
  mutating func suspect(_ withdrawn: [[Resource]]) -> [String] {
    refusals += 1
    var blamed: [String: Content] = [:]
    var trials: [[String: Content]] = []
    for group in withdrawn.reversed() {
      let contents = group.map { ($0.name, Content(hash: $0.contentHash, isStub: false)) }
      if group.count == 1, suspected[contents[0].0] == contents[0].1 || refusals >= Self.limit {
        blamed[contents[0].0] = contents[0].1
      } else if refusals >= Self.limit {
        blamed.merge(contents) { $1 }
      } else {
        if group.count == 1 { suspected[contents[0].0] = contents[0].1 }
        let half = group.count / 2
        for part in [contents[..<half], contents[half...]] where !part.isEmpty {
          trials.append(Dictionary(part.map { ($0.0, $0.1) }) { $1 })
        }
      }
    }
    blocked.merge(blamed) { $1 }
    // The first group is part of the response that was answered just now.
    groups.insert(contentsOf: trials, at: 0)
    return blamed.keys.sorted()
  }

  /// The response that was sent with the first group in it was accepted, and with it this table.
  ///
  /// - Parameter isFullState: the response named all that there is, so nothing is in doubt any more.
  mutating func accepted(_ plan: ResponsePlan, table: ResourceTable, isFullState: Bool) {
    if !groups.isEmpty { groups.removeFirst() }
    refusals = 0
    blocked = blocked.filter { name, content in
      !((isFullState || plan.names.contains(name)) && content.isContent(of: table[name]))
    }
    // What was neither told nor suspended is a cluster that may not be withdrawn yet.
    doubtful =
      isFullState
      ? [] : doubtful.filter { (isSuspended($0) || plan.type == .cluster) && !plan.names.contains($0) }
    dropped.formIntersection(doubtful)
    untaken.formIntersection(doubtful)
  }

  /// The client was told these once more (nil for all), beside what is tried.
  mutating func told(_ names: Set<String>?) {
    if let names { doubtful.subtract(names) } else { doubtful = [] }
    dropped.formIntersection(doubtful)
    untaken.formIntersection(doubtful)
  }

  /// A response without any content was refused: telling it again would not help.
  mutating func giveUp(on plan: ResponsePlan) { doubtful.subtract(plan.names) }

  /// What is not subscribed to any more is not remembered. (If it is asked for again, it is sent in any case.)
  mutating func forget(where isGone: (String) -> Bool) {
    blocked = blocked.filter { !isGone($0.key) }
    suspected = suspected.filter { !isGone($0.key) }
    doubtful = doubtful.filter { !isGone($0) }
    dropped.formIntersection(doubtful)
    untaken.formIntersection(doubtful)
    // A group stands for a trial, so it stays, even without content.
    for index in groups.indices { groups[index] = groups[index].filter { !isGone($0.key) } }
  }

  /// The same for names that are known. O(names · groups), however much is quarantined.
  mutating func forget(_ names: [String]) {
    for name in names {
      blocked[name] = nil
      suspected[name] = nil
      doubtful.remove(name)
      dropped.remove(name)
      untaken.remove(name)
      for index in groups.indices { groups[index][name] = nil }
    }
  }

  /// There was nothing to send for the first group.
  mutating func skipGroup() { if !groups.isEmpty { groups.removeFirst() } }

  var isOver: Bool { blocked.isEmpty && groups.isEmpty && doubtful.isEmpty }

  private func isSuspended(_ name: String) -> Bool {
    blocked[name] != nil || groups.contains { $0[name] != nil }
  }

  /// The table with the last accepted content in place of what is suspended. Content that has changed is free again.
  ///
  /// - Parameter asked: what the client has asked for anew. If it holds none of it, it gets the refused content once more:
  ///   "not there" would be untrue, and Envoy would delete what it holds.
  mutating func restrain(
    _ target: ResourceTable, acked: ResourceTable, asked: Owed
  ) -> (ResourceTable, suspended: [String]) {
    var table = target
    var suspended: [String] = []
    func suspend(_ name: String) {
      let old = acked[name]
      if asked.contains(name) && old?.isClaim ?? true { return }
      suspended.append(name)
      if let old { table.set(old) } else { table.remove(name) }
    }
    for (name, content) in blocked {
      if content.isContent(of: target[name]) { suspend(name) } else { blocked[name] = nil }
    }
    for group in groups.dropFirst() {
      for (name, content) in group where content.isContent(of: target[name]) { suspend(name) }
    }
    return (table, suspended)
  }

  private static func group(_ resources: ArraySlice<Resource>, _ plan: ResponsePlan) -> [String: Content] {
    Dictionary(
      resources.map { ($0.name, Content(hash: $0.contentHash, isStub: plan.stubs.contains($0.name))) }
    ) { $1 }
  }
}
