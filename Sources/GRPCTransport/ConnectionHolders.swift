internal import HTTP2Transport
internal import NIOCore
private import Synchronization

/// Who holds how many of a server's connections, by address.
///
/// One address may hold all that nobody else wants. When there is no place left and somebody comes, a connection on which no client is
/// known goes: the newest of the address that holds most of these, if that are more than the newcomer's address holds. If there
/// are none, the newcomer is let in all the same, with a few others, for as long as a client may take to say who it is. Once it is
/// known, the address that holds most connections gives up one: its newest. So nobody can keep others out by being there first, whoever says
/// nothing puts out nobody who is known, and with N addresses that want as many as they can get, each gets an N-th. Clients of a
/// Unix socket are not told apart.
///
/// All is O(1).
final class ConnectionHolders: Sendable {
  typealias Network = [UInt8]

  /// One connection's place.
  struct Place: Sendable {
    fileprivate let network: Network
    fileprivate let number: UInt64
  }

  enum Admission {
    case admitted
    /// Another is to go for it.
    case instead(of: NIOLoopBound<HTTP2Connection>)
    case refused
  }

  private struct Member {
    var connection: NIOLoopBound<HTTP2Connection>
    var isKnown = false
  }

  private struct Holder {
    /// Those accepted too that are not set up yet.
    var count = 0
    var unknownCount = 0
    var members: [UInt64: Member] = [:]
    /// In the order in which they came to be known, or came. Some have gone since, or are in the other list.
    var unknown: [UInt64] = []
    var known: [UInt64] = []

    mutating func list(_ number: UInt64, isKnown: Bool) {
      let path = isKnown ? \Holder.known : \Holder.unknown
      self[keyPath: path].append(number)
      guard self[keyPath: path].count > 2 * members.count + 16 else { return }
      var seen: Set<UInt64> = []
      let current = self[keyPath: path].reversed().filter {
        members[$0]?.isKnown == isKnown && seen.insert($0).inserted
      }
      self[keyPath: path] = current.reversed()
    }

    mutating func newest(isKnown: Bool) -> UInt64? {
      let path = isKnown ? \Holder.known : \Holder.unknown
      while let last = self[keyPath: path].last {
        if members[last]?.isKnown == isKnown { return last }
        self[keyPath: path].removeLast()
      }
      return nil
    }
  }

  /// Addresses by how many of something they have.
  private struct Ranking {
    private var networks: [Int: Set<Network>] = [:]
    private(set) var most = 0
    var first: Network? { networks[most]?.first }

    mutating func move(_ network: Network, from old: Int, to new: Int) {
      guard old != new else { return }
      networks[old]?.remove(network)
      if networks[old]?.isEmpty ?? false { networks[old] = nil }
      if new > 0 { networks[new, default: []].insert(network) }
      most = max(most, new)
      while most > 0, networks[most] == nil { most -= 1 }
    }
  }

  private struct State {
    var holders: [Network: Holder] = [:]
    var byCount = Ranking()
    var byUnknown = Ranking()
    var total = 0
    var unknownTotal = 0
    /// Told to go, and still there.
    var leaving: Set<UInt64> = []
    var nextNumber: UInt64 = 0

    mutating func count(_ network: Network, _ change: Int, unknown unknownChange: Int) {
      var holder = holders.removeValue(forKey: network) ?? Holder()
      byCount.move(network, from: holder.count, to: holder.count + change)
      byUnknown.move(network, from: holder.unknownCount, to: holder.unknownCount + unknownChange)
      total += change
      unknownTotal += unknownChange
      holder.count += change
      holder.unknownCount += unknownChange
      if holder.count > 0 { holders[network] = holder } else { holders.giveRoomBack() }
    }

    /// Tells the newest of an address's connections to go.
    mutating func displace(from network: Network, isKnown: Bool) -> NIOLoopBound<HTTP2Connection>? {
      guard let number = holders[network]?.newest(isKnown: isKnown),
        let victim = holders[network]?.members.removeValue(forKey: number)
      else { return nil }
      leaving.insert(number)
      count(network, -1, unknown: isKnown ? 0 : -1)
      return victim.connection
    }

    /// So many more than the limit may be there: those that were told to go and have not gone, and those that are not known yet.
    func hasReserve(_ limit: Int) -> Bool { leaving.count + max(0, total - limit) < max(4, limit / 16) }
  }

  private let state = Mutex(State())

  /// Counts an accepted connection in, if there is or will be a place for it.
  func admit(_ network: Network?, limit: Int) -> Admission {
    let network = network ?? []
    return state.withLock { state in
      let own = state.holders[network]
      if state.total >= limit {
        guard state.hasReserve(limit) else { return .refused }
        let (most, ownCount) = (state.byUnknown.most, own?.unknownCount ?? 0)
        if most >= ownCount + (ownCount > 0 ? 2 : 1), let largest = state.byUnknown.first,
          let victim = state.displace(from: largest, isKnown: false)
        {
          state.count(network, 1, unknown: 1)
          return .instead(of: victim)
        }
        guard state.byCount.most >= (own?.count ?? 0) + 2 else { return .refused }
      }
      state.count(network, 1, unknown: 1)
      return .admitted
    }
  }

  /// An admitted connection is set up.
  func add(_ network: Network?, _ connection: NIOLoopBound<HTTP2Connection>) -> Place {
    let network = network ?? []
    return state.withLock { state in
      let number = state.nextNumber
      state.nextNumber += 1
      state.holders[network]?.members[number] = Member(connection: connection)
      state.holders[network]?.list(number, isKnown: false)
      return Place(network: network, number: number)
    }
  }

  /// Whether the connection has a call whose client is known. Returns one that is to go for it: another, or if it is no better
  /// than all others itself.
  func set(_ place: Place, isKnown: Bool, limit: Int) -> NIOLoopBound<HTTP2Connection>? {
    state.withLock { state in
      guard let member = state.holders[place.network]?.members[place.number], member.isKnown != isKnown else {
        return nil
      }
      state.holders[place.network]?.members[place.number]?.isKnown = isKnown
      state.holders[place.network]?.list(place.number, isKnown: isKnown)
      state.count(place.network, 0, unknown: isKnown ? -1 : 1)
      // Those that are not known have what is over.
      guard isKnown, state.total - state.unknownTotal > limit else { return nil }
      let isSmaller = state.byCount.most > state.holders[place.network]?.count ?? 0
      return state.displace(from: isSmaller ? state.byCount.first ?? place.network : place.network, isKnown: true)
    }
  }

  /// A connection has closed.
  func remove(_ place: Place) {
    state.withLock { state in
      if state.leaving.remove(place.number) != nil { return }
      guard let member = state.holders[place.network]?.members.removeValue(forKey: place.number) else { return }
      state.holders[place.network]?.members.giveRoomBack()
      state.count(place.network, -1, unknown: member.isKnown ? 0 : -1)
    }
  }

  /// An admitted connection could not be set up.
  func withdraw(_ network: Network?) { state.withLock { $0.count(network ?? [], -1, unknown: -1) } }
}
