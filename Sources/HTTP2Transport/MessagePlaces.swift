internal import NIOCore

/// Which connections of an event loop receive long messages: a few at a time, each until its message has been handed over.
///
/// A thousand proxies that come back at once send most of a megabyte each. If all were received side by side, all would be half there
/// at once, in memory that nobody has touched before; one after the other they find the memory of those before them
/// (``MessageStorage``) and the processor's caches. A connection that has to wait has told the length of its message, and little more;
/// the rest stays with its peer and the system.
///
///     begins a long message ──▶ waits ──(a place is free)──▶ in place ──(the message is whole)──▶ in place ──(handed over)──▶ …
///                                 │                             │
///                                 └─(waited long enough)─▶ …    └─(brings nothing, or has been there for long)─▶ …
///
/// Whoever is slow loses its place to one that waits, and waits again for the rest. So a client holds others up for milliseconds, and
/// all clients together for no longer than `mostWaiting`: who has waited for that long in a message goes on with it without a place. For
/// connections with little to say nothing of this holds.
struct MessagePlaces {
  /// Measured with 4 to 32: with more a storm touches more memory, and with fewer a hundred proxies that come for the first time are
  /// answered all at once, and the first of them has everything hardly before the last.
  static let places = 8
  /// A peer that, since it has its place, had nothing to read for so long in all loses it.
  static let patience = TimeAmount.milliseconds(5)
  /// So does one that has had its place for so long.
  static let longest = TimeAmount.milliseconds(100)
  /// Much shorter than any time after which a peer is taken for silent.
  static let mostWaiting = TimeAmount.seconds(1)

  private struct Place {
    let work: any LoopTurns.Work
    var since: NIODeadline
    var idle = TimeAmount.zero
    var idleSince: NIODeadline?
    /// What is awaited now is this end.
    var isWhole = false

    func isLost(at now: NIODeadline) -> Bool {
      now - since > longest || idle + (idleSince.map { now - $0 } ?? .zero) > patience
    }
  }

  private var taken: [Place] = []
  private var waiting = CircularBuffer<(work: any LoopTurns.Work, since: NIODeadline)>()

  /// With those that have closed meanwhile.
  var waitingCount: Int { waiting.count }

  /// Takes a place for a connection that goes on with its message, if it has none. Returns whether it has one now.
  mutating func take(_ work: any LoopTurns.Work, at now: () -> NIODeadline) -> Bool {
    if let index = index(of: work) {
      if let idleSince = taken[index].idleSince {
        taken[index].idle = taken[index].idle + (now() - idleSince)
        taken[index].idleSince = nil
      }
      return true
    }
    guard taken.count < Self.places else { return false }
    taken.append(Place(work: work, since: now()))
    return true
  }

  /// For a place. Who waits is in no other line.
  mutating func wait(_ work: any LoopTurns.Work, since now: NIODeadline) { waiting.append((work, now)) }

  /// All that had come was handled.
  mutating func rests(_ work: any LoopTurns.Work, at now: NIODeadline) {
    if let index = index(of: work), !taken[index].isWhole { taken[index].idleSince = now }
  }

  /// - Parameter isWhole: the message is there, and waits to be handled; else another one has begun.
  mutating func note(_ work: any LoopTurns.Work, isWhole: Bool, at now: () -> NIODeadline) {
    guard let index = index(of: work), taken[index].isWhole != isWhole else { return }
    taken[index] = Place(work: work, since: isWhole ? taken[index].since : now(), isWhole: isWhole)
  }

  /// Returns whether it had a place.
  mutating func leave(_ work: any LoopTurns.Work) -> Bool {
    guard let index = index(of: work) else { return false }
    taken.remove(at: index)
    return true
  }

  /// Who waited and goes on now, with a place, or because it has waited long enough. Those that have closed are let go of.
  mutating func next(at now: NIODeadline) -> (work: any LoopTurns.Work, hasPlace: Bool)? {
    while let first = waiting.first {
      if first.work.isOver {
        waiting.removeFirst()
        continue
      }
      if taken.count >= Self.places { taken.removeAll { $0.isLost(at: now) } }
      if taken.count < Self.places {
        taken.append(Place(work: first.work, since: now))
        return (waiting.removeFirst().work, true)
      }
      return now - first.since > Self.mostWaiting ? (waiting.removeFirst().work, false) : nil
    }
    return nil
  }

  private func index(of work: any LoopTurns.Work) -> Int? { taken.firstIndex { $0.work === work } }
}
