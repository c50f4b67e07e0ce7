internal import NIOCore

/// Which connections of an event loop receive long messages: a few at a time, each until its message has been handled.
///
/// A thousand proxies that come back at once send most of a megabyte each. If all were received side by side, all would be half there
/// at once, in memory that nobody has touched before; one after the other they find the memory of those before them
/// (``MessageStorage``) and the processor's caches. A connection that has to wait has told the length of its message, and little more;
/// the rest stays with its peer and the system.
///
///     begins a long message ──▶ waits ──(a place is free)──▶ in place ──(the message is whole)──▶ in place ──(it is handled)──▶ …
///                                                                         └─(brings nothing)─▶ …
///
/// Whoever is slow loses its place to one that waits, and may go on when it gets one again. So nobody waits for a client, and for
/// connections with little to say nothing of this holds.
struct MessagePlaces {
  /// Measured with 4 to 32: with more a storm touches more memory, and with fewer a hundred proxies that come for the first time are
  /// answered all at once, and the first of them has everything hardly before the last.
  static let places = 8
  /// A peer that, since it has its place, had nothing to read for so long in all loses it.
  static let patience = TimeAmount.milliseconds(5)
  /// So does one that has had its place for so long.
  static let longest = TimeAmount.milliseconds(100)

  private struct Place {
    let work: any LoopTurns.Work
    let since: NIODeadline
    var idle = TimeAmount.zero
    var idleSince: NIODeadline?
    /// What is awaited now is this end.
    var isWhole = false

    func isLost(at now: NIODeadline) -> Bool {
      now - since > longest || idle + (idleSince.map { now - $0 } ?? .zero) > patience
    }
  }

  private var taken: [Place] = []
  private var waiting = CircularBuffer<any LoopTurns.Work>()

  var waitingCount: Int { waiting.count }

  /// Whether the connection may go on with its message: it has a place, or there is one.
  mutating func admits(_ work: any LoopTurns.Work, at now: () -> NIODeadline) -> Bool {
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

  /// For a place. Each waits once.
  mutating func wait(_ work: any LoopTurns.Work) { waiting.append(work) }

  /// All that had come was handled.
  mutating func rests(_ work: any LoopTurns.Work, at now: NIODeadline) {
    if let index = index(of: work), !taken[index].isWhole { taken[index].idleSince = now }
  }

  /// - Parameter isWhole: the message is there, and waits to be handled.
  mutating func note(_ work: any LoopTurns.Work, isWhole: Bool) {
    if let index = index(of: work) { taken[index].isWhole = isWhole }
  }

  /// Returns whether it had a place.
  mutating func leave(_ work: any LoopTurns.Work) -> Bool {
    guard let index = index(of: work) else { return false }
    taken.remove(at: index)
    return true
  }

  /// Who has a place from now on and waited for it.
  mutating func next(at now: NIODeadline) -> (any LoopTurns.Work)? {
    guard !waiting.isEmpty else { return nil }
    if taken.count >= Self.places { taken.removeAll { $0.isLost(at: now) } }
    guard taken.count < Self.places else { return nil }
    let next = waiting.removeFirst()
    taken.append(Place(work: next, since: now))
    return next
  }

  private func index(of work: any LoopTurns.Work) -> Int? { taken.firstIndex { $0.work === work } }
}
