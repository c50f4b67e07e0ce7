internal import GRPCTransport
internal import NIOCore

/// Proxies that have left, in the order in which they did. Everything is O(1).
///
/// There is room for `limit`. When it is full the network that has most of it loses its first: whoever opens and closes streams
/// without end pushes out what it has left itself, and nobody else.
struct DepartureList {
  typealias Departed = Departures.Departed
  typealias Key = ProxyIdentity.Key
  typealias Network = [UInt8]

  /// Places before and after one in a list; -1 is none.
  private struct Links {
    var before = -1
    var after = -1
  }

  private struct Chain {
    var first = -1
    var last = -1
    var count = 0
  }

  private struct Place {
    var departed: Departed
    var network: Network
    /// Among all, and among those of its network.
    var all = Links()
    var neighbours = Links()
  }

  var limit: Int
  private var places: [Place?] = []
  private var free: [Int] = []
  private var indices: [Key: Int] = [:]
  private var all = Chain()
  private var networks: [Network: Chain] = [:]
  /// The networks that have so many, and the most that any has.
  private var bySize: [Int: Set<Network>] = [:]
  private var largest = 0

  init(limit: Int) { self.limit = limit }

  var count: Int { indices.count }
  var first: Departed? { all.first < 0 ? nil : places[all.first]?.departed }
  /// In their order. O(n).
  var values: [Departed] {
    var values: [Departed] = []
    var index = all.first
    while index >= 0, let place = places[index] {
      values.append(place.departed)
      index = place.all.after
    }
    return values
  }

  /// Adds one that has left after all others; its key is not there yet.
  ///
  /// - Returns: who is forgotten for it.
  mutating func add(_ departed: Departed) -> Departed? {
    var forgotten: Departed?
    if count >= limit, let victim { forgotten = remove(victim) }
    let index = free.popLast() ?? places.count
    let network = departed.identity.network
    let place = Place(departed: departed, network: network)
    if index == places.count { places.append(place) } else { places[index] = place }
    indices[departed.identity.key] = index
    var order = all
    append(index, to: &order, \.all)
    all = order
    var chain = networks[network] ?? Chain()
    append(index, to: &chain, \.neighbours)
    resize(network, from: chain.count - 1, to: chain)
    return forgotten
  }

  mutating func remove(_ key: Key) -> Departed? {
    guard let index = indices.removeValue(forKey: key), let place = places[index] else { return nil }
    var order = all
    unlink(index, from: &order, \.all)
    all = order
    var chain = networks[place.network] ?? Chain()
    unlink(index, from: &chain, \.neighbours)
    resize(place.network, from: chain.count + 1, to: chain)
    places[index] = nil
    free.append(index)
    return place.departed
  }

  /// The first of all, if its network has as many as any; else the first of one that has the most.
  private var victim: Key? {
    guard let eldest = places[all.first] else { return nil }
    if networks[eldest.network]?.count == largest { return eldest.departed.identity.key }
    guard let network = bySize[largest]?.first, let index = networks[network]?.first else { return nil }
    return places[index]?.departed.identity.key
  }

  // MARK: Lists

  private mutating func append(_ index: Int, to chain: inout Chain, _ links: WritableKeyPath<Place, Links>) {
    places[index]![keyPath: links] = Links(before: chain.last)
    if chain.last >= 0 { places[chain.last]![keyPath: links].after = index } else { chain.first = index }
    chain.last = index
    chain.count += 1
  }

  private mutating func unlink(_ index: Int, from chain: inout Chain, _ links: WritableKeyPath<Place, Links>) {
    let own = places[index]![keyPath: links]
    if own.before >= 0 { places[own.before]![keyPath: links].after = own.after } else { chain.first = own.after }
    if own.after >= 0 { places[own.after]![keyPath: links].before = own.before } else { chain.last = own.before }
    chain.count -= 1
  }

  /// A network has one more, or one less.
  private mutating func resize(_ network: Network, from old: Int, to chain: Chain) {
    networks[network] = chain.count > 0 ? chain : nil
    bySize[old]?.remove(network)
    if bySize[old]?.isEmpty ?? false { bySize[old] = nil }
    if chain.count > 0 { bySize[chain.count, default: []].insert(network) }
    largest = max(largest, chain.count)
    // One less: at most by one.
    if largest > 0 && bySize[largest] == nil { largest -= 1 }
  }
}

extension ProxyIdentity {
  /// What stands for the client (`SocketAddress.clientNetwork`). All that come over Unix sockets are of one.
  var network: [UInt8] {
    guard let colon = remoteAddress.lastIndex(of: ":") else { return [] }
    var host = remoteAddress[..<colon]
    if host.hasPrefix("[") { host = host.dropFirst().dropLast() }
    return (try? SocketAddress(ipAddress: String(host), port: 0))?.clientNetwork ?? []
  }
}
