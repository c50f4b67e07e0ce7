internal import NIOCore
private import Synchronization

/// The connections of a server that hold parts of messages, with how much.
///
/// When there is no room for more, it is not who asks next that goes, but who holds most: first the address whose connections
/// hold most together, and of these the largest. An address that keeps what it never finishes so makes room for one that
/// sends a request and has done.
final class PartHolders: Sendable {
  /// What is made free at a time at least, if there is so much: so that the list is not gone through for each few bytes.
  static let batch = 4 << 20

  private struct Holder {
    var network: [UInt8]?
    var bytes: Int
    var calls: NIOLoopBound<ConnectionCalls>
  }

  private struct State {
    var holders: [ObjectIdentifier: Holder] = [:]
    /// Of connections that have been told to let go, and have not yet.
    var leaving: [ObjectIdentifier: Int] = [:]
    /// Bytes of all of these, and how many of them others have been promised.
    var coming = 0
    var promised = 0

    /// What is coming is promised once.
    mutating func promise(_ count: Int) -> Bool {
      guard coming - promised >= count else { return false }
      promised += count
      return true
    }
  }

  private let state = Mutex(State())

  /// A connection holds so many bytes now. On its event loop.
  func note(_ calls: ConnectionCalls, _ bytes: Int) {
    let id = ObjectIdentifier(calls)
    state.withLock { state in
      guard bytes > 0 else {
        state.holders[id] = nil
        return
      }
      if state.holders[id] != nil {
        state.holders[id]?.bytes = bytes
      } else {
        state.holders[id] = Holder(
          network: calls.network, bytes: bytes, calls: NIOLoopBound(calls, eventLoop: calls.eventLoop))
      }
    }
  }

  /// Makes room for a connection: others that hold more are told to end what they have not finished, which they do soon.
  /// False if nobody holds more. O(connections that hold parts).
  func makeRoom(for asker: ConnectionCalls, asking count: Int) -> Bool {
    let id = ObjectIdentifier(asker)
    let (isRoomComing, victims) = state.withLock { state -> (Bool, [NIOLoopBound<ConnectionCalls>]) in
      if state.leaving[id] != nil { return (false, []) }
      if state.promise(count) { return (true, []) }
      var sums: [[UInt8]: Int] = [:]
      for holder in state.holders.values {
        if let network = holder.network { sums[network, default: 0] += holder.bytes }
      }
      func sum(_ holder: Holder) -> Int { holder.network.flatMap { sums[$0] } ?? holder.bytes }
      let own = state.holders[id]?.bytes ?? 0
      let ownSum = (asker.network.flatMap { sums[$0] } ?? own) + count
      // Others at its own address are no better than it is: of these, only larger ones.
      let candidates = state.holders.filter { key, holder in
        guard key != id else { return false }
        return holder.network != nil && holder.network == asker.network
          ? holder.bytes > own + count : sum(holder) > ownSum
      }.sorted { (sum($0.value), $0.value.bytes) > (sum($1.value), $1.value.bytes) }
      guard candidates.reduce(state.coming - state.promised, { $0 + $1.value.bytes }) >= count else {
        return (false, [])
      }
      var freed = 0
      var victims: [NIOLoopBound<ConnectionCalls>] = []
      for (key, holder) in candidates {
        guard freed < max(count, Self.batch) else { break }
        freed += holder.bytes
        state.holders[key] = nil
        state.leaving[key] = holder.bytes
        state.coming += holder.bytes
        victims.append(holder.calls)
      }
      return (state.promise(count), victims)
    }
    for victim in victims {
      victim.eventLoop.execute {
        victim.value.endUnfinished()
        self.state.withLock { state in
          guard let bytes = state.leaving.removeValue(forKey: ObjectIdentifier(victim.value)) else { return }
          state.coming -= bytes
          // The room is there, for whoever is first.
          state.promised = max(0, state.promised - bytes)
        }
      }
    }
    return isRoomComing
  }
}
