internal import HTTP2Transport
internal import NIOCore
private import Synchronization

/// Who holds how many of a server's connections, by address.
///
/// One address may hold all that nobody else wants. When there is no place left and somebody comes from an address that holds
/// fewer, the address that holds most gives up one: of its connections the newest on which no client is known, or if all
/// are known the newest. So nobody can keep others out by being there first; with N addresses that want as many as they can get,
/// each gets an N-th. Clients of a Unix socket are not told apart.
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

    /// The one that is to go first.
    mutating func newest() -> UInt64? {
      for isKnown in [false, true] {
        let path = isKnown ? \Holder.known : \Holder.unknown
        while let last = self[keyPath: path].last {
          if members[last]?.isKnown == isKnown { return last }
          self[keyPath: path].removeLast()
        }
      }
      return nil
    }
  }

  private struct State {
    var holders: [Network: Holder] = [:]
    /// The addresses that hold so many.
    var bySize: [Int: Set<Network>] = [:]
    var largest = 0
    var total = 0
    /// Told to go, and still there.
    var leaving: Set<UInt64> = []
    var nextNumber: UInt64 = 0

    mutating func count(_ network: Network, _ change: Int) {
      let old = holders[network]?.count ?? 0
      let new = old + change
      total += change
      bySize[old]?.remove(network)
      if bySize[old]?.isEmpty ?? false { bySize[old] = nil }
      if new > 0 {
        holders[network, default: Holder()].count = new
        bySize[new, default: []].insert(network)
      } else {
        holders[network] = nil
      }
      largest = max(largest, new)
      while largest > 0, bySize[largest] == nil { largest -= 1 }
    }
  }

  private let state = Mutex(State())

  /// Counts an accepted connection in, if there is or will be a place for it.
  func admit(_ network: Network?, limit: Int) -> Admission {
    let network = network ?? []
    return state.withLock { state in
      if state.total < limit {
        state.count(network, 1)
        return .admitted
      }
      // So many more than the limit may be there, until those that were told to go have gone.
      guard state.leaving.count < max(4, limit / 16), state.largest >= (state.holders[network]?.count ?? 0) + 2,
        let largest = state.bySize[state.largest]?.first, let number = state.holders[largest]?.newest(),
        let victim = state.holders[largest]?.members.removeValue(forKey: number)
      else { return .refused }
      state.leaving.insert(number)
      state.count(largest, -1)
      state.count(network, 1)
      return .instead(of: victim.connection)
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

  /// Whether the connection has a call whose client is known.
  func set(_ place: Place, isKnown: Bool) {
    state.withLock { state in
      guard state.holders[place.network]?.members[place.number] != nil else { return }
      state.holders[place.network]?.members[place.number]?.isKnown = isKnown
      state.holders[place.network]?.list(place.number, isKnown: isKnown)
    }
  }

  /// A connection has closed.
  func remove(_ place: Place) {
    state.withLock { state in
      if state.leaving.remove(place.number) != nil { return }
      guard state.holders[place.network]?.members.removeValue(forKey: place.number) != nil else { return }
      state.count(place.network, -1)
    }
  }

  /// An admitted connection could not be set up.
  func withdraw(_ network: Network?) { state.withLock { $0.count(network ?? [], -1) } }
}
