internal import XDSSnapshot

/// What a client refused, of one type on one stream.
///
/// A refused content is not sent again. Where a response with several resources was refused and the client does not say
/// which was bad, the rest must not be lost with it: its halves are tried one after the other, down to the bad ones, so a
/// bad resource among n costs 2 log2 n responses and the others arrive. After `limit` refusals without a good end all
/// that is left is given up until it changes.
struct Quarantine: Sendable {
  /// Not sent as long as this is their content.
  private(set) var blocked: [String: ContentHash] = [:]
  /// Not tried yet, except for the first group, which is part of the next response.
  private(set) var groups: [[String: ContentHash]] = []
  /// What the client may or may not have taken from refused responses: told again with the next response.
  private(set) var doubtful: Set<String> = []
  /// The table refused last: the client may hold parts of it.
  private(set) var refused: ResourceTable
  private var refusals = 0

  static let limit = 32

  init(refused: ResourceTable) { self.refused = refused }

  /// A response with this news was refused. Gives back what is known or suspected to be bad.
  mutating func refuse(_ plan: ResponsePlan, table: ResourceTable, message: String) -> [String] {
    refused = table
    refusals += 1
    if !groups.isEmpty { groups.removeFirst() }
    doubtful.formUnion(plan.names)
    let news = plan.news
    let named = news.filter { Self.message(message, names: $0.name) }
    let bad: [Resource]
    if news.count == 1 || refusals >= Self.limit {
      bad = news
    } else if !named.isEmpty && named.count < news.count {
      bad = named
    } else {
      let half = news.count / 2
      groups.insert(Self.group(news[half...]), at: 0)
      groups.insert(Self.group(news[..<half]), at: 0)
      return news.map(\.name)
    }
    for resource in bad { blocked[resource.name] = resource.contentHash }
    if refusals >= Self.limit {
      for group in groups { blocked.merge(group) { $1 } }
      groups = []
    }
    return bad.map(\.name)
  }

  /// The response that was sent with the first group in it was accepted.
  ///
  /// - Parameter isFullState: the response named all that there is, so nothing is in doubt any more.
  mutating func accepted(_ plan: ResponsePlan, isFullState: Bool) {
    if !groups.isEmpty { groups.removeFirst() }
    refusals = 0
    doubtful = isFullState ? [] : doubtful.filter { isSuspended($0) && !plan.names.contains($0) }
  }

  /// There was nothing to send for the first group.
  mutating func skipGroup() { if !groups.isEmpty { groups.removeFirst() } }

  var isOver: Bool { blocked.isEmpty && groups.isEmpty && doubtful.isEmpty }

  private func isSuspended(_ name: String) -> Bool {
    blocked[name] != nil || groups.contains { $0[name] != nil }
  }

  /// The table with the last accepted content in place of what is suspended. Content that has changed is free again.
  mutating func restrain(_ target: ResourceTable, acked: ResourceTable) -> (ResourceTable, suspended: [String]) {
    var table = target
    var suspended: [String] = []
    func suspend(_ name: String) {
      suspended.append(name)
      if let old = acked[name] { table.set(old) } else { table.remove(name) }
    }
    for (name, hash) in blocked {
      if target[name]?.contentHash == hash { suspend(name) } else { blocked[name] = nil }
    }
    for group in groups.dropFirst() {
      for (name, hash) in group where target[name]?.contentHash == hash { suspend(name) }
    }
    return (table, suspended)
  }

  private static func group(_ resources: ArraySlice<Resource>) -> [String: ContentHash] {
    Dictionary(resources.map { ($0.name, $0.contentHash) }) { $1 }
  }

  /// Whether the text holds the name as a word of its own.
  static func message(_ message: String, names name: String) -> Bool {
    guard !name.isEmpty else { return false }
    let text = Array(message.utf8)
    let word = Array(name.utf8)
    guard text.count >= word.count else { return false }
    func isPart(_ byte: UInt8) -> Bool {
      switch byte {
      case 48...57, 65...90, 97...122, 45, 46, 95, 124: true
      default: false
      }
    }
    for start in 0...(text.count - word.count) where text[start..<start + word.count].elementsEqual(word) {
      let end = start + word.count
      if (start == 0 || !isPart(text[start - 1])) && (end == text.count || !isPart(text[end])) { return true }
    }
    return false
  }
}
