import XDSSnapshot

@testable import XDSServer

/// Holds what a session says of its client against what the client has.
struct ConvergenceOracle {
  private struct Item: Hashable {
    var type: ResourceType
    var name: String
  }

  private struct Past {
    /// The newest generation with a content, by hash; nil stands for none.
    var newest: [ContentHash?: UInt64] = [:]
  }

  /// The last ones.
  private var generations: [Generation] = []
  private var past: [Item: Past] = [:]
  private static let kept = 5
  /// How often the answer was yes, and how often no.
  private(set) var answers = (live: 0, notLive: 0, safe: 0, unsafe: 0)

  /// The hosts of a route table count one by one.
  private static func items(_ table: ResourceTable, _ type: ResourceType) -> [Item: (hash: ContentHash, clusters: [String])] {
    var items: [Item: (hash: ContentHash, clusters: [String])] = [:]
    table.tree.forEach { resource in
      items[Item(type: type, name: resource.name)] = (
        resource.fragments == nil ? resource.contentHash : .empty, resource.references
      )
      for part in resource.fragments ?? [] {
        part.tree.forEach {
          items[Item(type: type, name: "\(resource.name) \($0.key)")] = ($0.contentHash, $0.references)
        }
      }
    }
    return items
  }

  private static let types: [ResourceType] = [.cluster, .endpoint, .listener, .route, .virtualHost]

  mutating func note(_ generation: Generation, _ proxyClass: ProxyClass) {
    generations.append(generation)
    if generations.count > Self.kept { generations.removeFirst() }
    for type in Self.types {
      var tables = [generation.table(type, for: proxyClass) ?? .init()]
      if type == .listener, let listeners = generation.classes[proxyClass]?.hostByHost?.listeners {
        tables.append(listeners)
      }
      let items = tables.map { Self.items($0, type) }
      for (item, content) in items.joined() { past[item, default: Past()].newest[content.hash] = generation.number }
      for (item, _) in past where item.type == type && !items.contains(where: { $0[item] != nil }) {
        past[item]?.newest[ContentHash?.none] = generation.number
      }
    }
  }

  /// - Parameter routes: the names of the route tables that the client subscribes to.
  mutating func check(_ session: ProxySession, _ client: ModelClient, routes: [String]) -> [String] {
    var problems: [String] = []
    for generation in generations {
      for concern in [nil, "c\(generation.number % 8)"] {
        var goal = LiveGoal(generation: generation.number, snapshot: generation)
        if let concern { goal.concerns = { $0 == concern } }
        var obstacles: [ConvergenceObstacle] = []
        session.forEachObstacle(to: goal) {
          obstacles.append($0)
          return true
        }
        let isLive = session.isLive(goal)
        if isLive != obstacles.isEmpty { problems.append("\(generation.number): live \(isLive) but \(obstacles)") }
        guard isLive else {
          answers.notLive += 1
          continue
        }
        answers.live += 1
        for lack in lacks(of: generation, session, client, routes, concern) {
          problems.append("generation \(generation.number) is said to be live, about \(concern ?? "all"): \(lack)")
        }
      }
    }
    return problems + checkTermination(session, client, routes)
  }

  private func lacks(
    of generation: Generation, _ session: ProxySession, _ client: ModelClient, _ routes: [String], _ concern: String?
  ) -> [String] {
    var lacks: [String] = []
    for type in Self.types where session[type].isRequested {
      guard let table = session.table(type, generation) else { continue }
      var held = ResourceTable()
      for resource in client.held[type, default: [:]].values { held.set(resource) }
      let has = Self.items(held, type)
      let wanted = Self.items(table, type)
      for item in Set(has.keys).union(wanted.keys) {
        if type == .route && !routes.contains(where: { item.name == $0 || item.name.hasPrefix($0 + " ") }) { continue }
        if type == .endpoint && client.held[.cluster]?[item.name] == nil { continue }
        let clusters =
          [.cluster, .endpoint].contains(type)
          ? [item.name] : (has[item]?.clusters ?? []) + (wanted[item]?.clusters ?? [])
        if let concern, !clusters.contains(concern) { continue }
        let content = has[item]?.hash
        // What is said of the endpoints of a cluster that went while it was warming.
        if type == .endpoint, content == ContentHash(Array("E \(item.name) 0.5".utf8)) { continue }
        if past[item]?.newest[content] ?? 0 < generation.number {
          lacks.append("\(type) \(item.name) is \(content.map { "\($0)" } ?? "not there")")
        }
        guard session[type].type.namesClusters, has[item] != nil else { continue }
        for cluster in has[item]?.clusters ?? [] where concern == nil || cluster == concern {
          if !client.warm.contains(cluster) && session[.cluster].subscription.covers(cluster) {
            lacks.append("\(type) \(item.name) names \(cluster), which is not warm")
          }
        }
      }
    }
    return lacks
  }

  /// A cluster of which the server says that no route of the client can name it is named by none: of those that it has, and of
  /// those that are on their way to it.
  private mutating func checkTermination(
    _ session: ProxySession, _ client: ModelClient, _ routes: [String]
  ) -> [String] {
    guard let newest = generations.last else { return [] }
    let cluster = "c\(newest.number % 8)"
    let goal = TerminationGoal(.clusters([cluster]), session.shared)
    _ = goal.admits(newest)
    guard goal.isMet(by: session) else {
      answers.unsafe += 1
      return []
    }
    answers.safe += 1
    var problems: [String] = []
    for type in ResourceType.naming {
      let coming = client.inbox.filter { $0.type == type }.flatMap(\.response.plan.resources)
      for resource in Array(client.held[type, default: [:]].values) + coming {
        if type == .route && !routes.contains(resource.name) { continue }
        if resource.references(cluster) { problems.append("\(type) \(resource.name) names \(cluster), said to be safe") }
      }
    }
    return problems
  }
}
