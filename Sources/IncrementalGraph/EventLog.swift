/// What ran and why. Each event names the one that caused it, down to the edit of an input.
public struct EventLog: Sendable {
  @frozen public enum Kind: String, Sendable, Hashable {
    /// An input was edited.
    case edited
    /// A unit ran.
    case ran
    /// A unit went with its source.
    case removed
    /// A member came to, left or changed a group of an index or a fold.
    case regrouped
  }

  public struct Event: Sendable, Hashable, CustomStringConvertible {
    public var transaction: UInt64
    public var kind: Kind
    public var collection: String
    public var key: String
    /// Whether anything came out other than before.
    public var changed: Bool
    /// The position in the log of the event that made this one happen; nil for an edit.
    public var cause: Int?

    public var description: String { "\(kind.rawValue) \(collection)[\(key)]\(changed ? "" : ", no change")" }
  }

  public private(set) var events: [Event] = []
  /// How many events are kept until the log is cleared; what happens after that is only counted.
  public internal(set) var limit = Int.max
  /// The events that were not kept.
  public private(set) var omitted = 0
  private var transaction: UInt64 = 0
  /// The event that changed a cell, and the event that marked a unit, in this transaction.
  private var causeOfCell: [CellID: Int] = [:]
  private var causeOfUnit: [CellID: Int] = [:]
  private var current: Int?

  init() {}

  /// Forgets all events.
  public mutating func clear() {
    let limit = limit
    self = EventLog()
    self.limit = limit
  }

  /// Whether what happens next is only counted.
  public var isFull: Bool { events.count >= limit }

  /// Counts what happened while nothing was recorded.
  mutating func omit(_ count: Int) { omitted += count }

  /// From an event down to the edit of an input that caused it.
  public func chain(of event: Event) -> [Event] {
    var chain = [event]
    while let cause = chain[chain.count - 1].cause { chain.append(events[cause]) }
    return chain
  }

  mutating func begin(transaction: UInt64) {
    self.transaction = transaction
    guard !causeOfCell.isEmpty || !causeOfUnit.isEmpty else { return }
    causeOfCell = [:]
    causeOfUnit = [:]
    current = nil
  }

  mutating func record(_ kind: Kind, _ node: Node, _ slot: Int32, changed: Bool, cell: CellID?) {
    guard !isFull else { return omitted += 1 }
    let unit = node.cellID(slot)
    let cause: Int? =
      switch kind {
      case .edited: nil
      case .regrouped: current
      case .ran, .removed: causeOfUnit[unit]
      }
    if let cell { causeOfCell[cell] = events.count }
    events.append(
      Event(
        transaction: transaction, kind: kind, collection: node.name, key: node.describeKey(slot), changed: changed,
        cause: cause))
  }

  /// The event just recorded changed this cell.
  mutating func attribute(_ cell: CellID) {
    if omitted == 0 { causeOfCell[cell] = events.count - 1 }
  }

  /// An event changed this cell.
  mutating func attribute(_ cell: CellID, to event: Int?) { causeOfCell[cell] = event }

  /// The event that changed a cell in this transaction.
  func event(thatChanged cell: CellID) -> Int? { causeOfCell[cell] }

  /// What happens next happens because this cell changed.
  mutating func setCause(_ cell: CellID) { current = causeOfCell[cell] }

  mutating func noteCause(of unit: CellID) {
    if !isFull { causeOfUnit[unit] = current }
  }
}

/// A log that graphs which lie side by side write to.
final class SharedLog {
  @exclusivity(unchecked) var log = EventLog()
}

struct CellID: Sendable, Hashable {
  var node: Int
  var slot: Int32
}
