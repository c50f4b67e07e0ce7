/// An incremental computation over keyed collections.
///
/// The laws:
///
/// 1. **Static.** All collections are declared once, up front, each after those that it reads, so the graph has no cycle
///    and declaration order is a topological order.
/// 2. **Inputs change in transactions only.** A transaction applies a batch of edits, then settles the collections in
///    declaration order. A unit (one key's computation in a derived collection) runs at most once in a transaction, and
///    sees all of its inputs in their final state.
/// 3. **Units are pure.** What a unit yields depends on its source's key and value and on what it read through its
///    `Reader`, and on nothing else. The reads are recorded, and the unit runs again only if one of them changed.
/// 4. **Reads are declared.** A derived collection names the collections that it reads. With `checksReads`, a read of any
///    other, or a read around the reader while a unit computes, is a `Violation`, which traps.
/// 5. **Equal result stops.** A value that equals the one it would replace changes nothing and wakes nobody.
/// 6. **Cost follows the edit.** A transaction costs the units that it runs, what they read, and their changed outputs;
///    no step copies or visits a collection. (A hash table that grows does so once in a doubling.)
/// 7. **Order never matters.** The values at the end depend on the inputs, never on the order or batching of the edits.
///
/// Layout, and memory for one key: a collection keeps its keys once in a `KeyIndex` that gives each a slot; collections
/// with the same keys (a `Map` and its source) share it. By slot there is a value, a cell (20 bytes) and, in derived
/// collections, a unit (12 bytes). A recorded read is an edge (24 bytes) in one pool, doubly linked on the side of what is
/// read, so that one of 100,000 readers can leave a cell in O(1).
///
///     input ──slot──▶ unit of a Map ──value──▶ observers, indexes, folds
///                        ▲
///         cell ──edges──┘    (cells that the unit read)
///
/// A graph has one owner at a time; it is not thread-safe. Collections must not be used after their graph is gone. Two graphs
/// have nothing in common but the log, which is written to only while events are recorded and by the first one's transactions; so
/// while none are recorded, each may be at work on a thread of its own.
///
/// What an edit passes by is stored in `@exclusivity(unchecked)` properties: the run-time check for overlapping accesses cost
/// more than the accesses. The rule that makes this safe: no access of such a property lasts while a closure of the client
/// runs (a unit, an observer, a fold's update, `onViolation`); values are copied out before the call and stored after it. What
/// does run within an access is `==`, `hash(into:)` and `description` of keys and values, and their release: these must not
/// touch the graph.
///
/// What is generic is inlinable, and what settles a collection is a closure made where the collection is declared, so that
/// the client's compiler specialises it: through a class's method table it would run unspecialised, and an edit took twice as long.
public final class Graph {
  /// Whether reads are held against what was declared (law 4).
  public let checksReads: Bool

  /// Takes a violation of the laws. The default traps; a test may put its own in place, and then the computation goes on.
  public var onViolation: (Violation) -> Void = { fatalError($0.description) }

  /// What ran and why, while `recordsEvents` is on.
  public internal(set) var log: EventLog {
    get { events }
    set { events = newValue }
  }
  var events: EventLog {
    _read { yield sharedLog.log }
    _modify { yield &sharedLog.log }
  }
  private let sharedLog: SharedLog
  /// What the numbers of this graph's nodes begin at in the log.
  let firstCellID: Int

  /// How many events the log keeps until it is cleared.
  public var maximumEvents: Int {
    get { events.limit }
    set { events.limit = newValue }
  }

  /// Off unless set; each run then costs a few allocations, until the log is full.
  @exclusivity(unchecked) public var recordsEvents = false

  @exclusivity(unchecked) public internal(set) var statistics = Statistics()

  @exclusivity(unchecked) private(set) var nodes: [Node] = []
  /// The same, to be lent.
  @exclusivity(unchecked) var nodePointers = SlotArray<UnsafeMutableRawPointer>()
  @exclusivity(unchecked) private var slotTables: [SlotTable] = []
  @exclusivity(unchecked) var edges = EdgePool()
  @exclusivity(unchecked) var run = Run()
  @usableFromInline @exclusivity(unchecked) private(set) var isInTransaction = false

  /// Whether a unit computes now.
  @usableFromInline var isRunning: Bool { run.isActive }

  /// The unit that computes now.
  struct Run {
    var isActive = false
    var node = 0
    var slot: Int32 = 0
    /// Tells apart the reads of this run from earlier ones.
    var id: UInt32 = 0
    /// The unit's edges as far as this run has confirmed them, and the first one after that.
    var first: Int32 = -1
    var last: Int32 = -1
    var next: Int32 = -1
  }

  public struct Statistics: Sendable, Hashable {
    public var transactions: UInt64 = 0
    /// Units that ran.
    public var runs: UInt64 = 0
    /// Values that became another value, in all collections.
    public var changes: UInt64 = 0
    /// Recorded reads at present.
    public var edges = 0
  }

  /// - Parameter former: a graph of the same owner whose transactions settle before this one's (`transaction(before:_:)`). Both
  ///   write to one log.
  public init(checksReads: Bool, after former: Graph? = nil) {
    self.checksReads = checksReads
    sharedLog = former?.sharedLog ?? SharedLog()
    firstCellID = former.map { $0.firstCellID + Int(UInt16.max) } ?? 0
  }

  /// Edits inputs in `body`, then brings every derived collection up to date.
  public func transaction(_ body: () -> Void) {
    guard begin() else { return }
    body()
    settle()
    end()
  }

  /// One transaction of two graphs: this one settles first, and what its observers see may be set in inputs of the other.
  public func transaction(before other: Graph, _ body: () -> Void) {
    guard begin() else { return }
    guard other.begin() else { return end() }
    body()
    settle()
    other.settle()
    end()
    other.end()
  }

  private func begin() -> Bool {
    guard !run.isActive, !isInTransaction else {
      onViolation(.editWhileComputing)
      return false
    }
    isInTransaction = true
    statistics.transactions += 1
    // The log is that of the graph that settles first; another one may be at work on a thread of its own.
    if firstCellID == 0 { events.begin(transaction: statistics.transactions) }
    return true
  }

  private func settle() {
    for node in nodes where node.hasWork {
      node.hasWork = false
      node.settle()
    }
  }

  private func end() {
    for table in slotTables { table.releaseUnused() }
    isInTransaction = false
    statistics.edges = edges.count
  }

  /// Whether the log takes no more events.
  public var isLogFull: Bool { events.isFull }

  /// Counts events that were not recorded, as those that came when the log was full.
  public func noteOmitted(_ count: Int) { events.omit(count) }

  /// Forgets the events so far.
  public func clearLog() { events.clear() }

  /// That units of one collection may read another, for all of them.
  public var declaredReads: [(reader: String, source: String)] {
    nodes.flatMap { reader in
      nodes.filter { reader.mayRead($0.id) }.map { (reader.name, $0.name) }
    }
  }

  /// Takes back a declaration, to show that the checks see the read which it covered.
  public func withdraw(_ read: (reader: String, source: String)) {
    guard let source = nodes.first(where: { $0.name == read.source }) else { return }
    for reader in nodes where reader.name == read.reader { reader.withdrawRead(of: source.id) }
  }

  func add(_ node: Node) {
    precondition(!isInTransaction, "collections are declared before the first transaction")
    nodes.append(node)
    nodePointers.append(Unmanaged.passUnretained(node).toOpaque())
  }

  func name(of node: Int) -> String { nodes[node].name }

  func add(_ table: SlotTable) { slotTables.append(table) }
}

/// A law of the graph that was broken: a bug in the code of a unit, never in the data.
@frozen
public enum Violation: Sendable, Hashable, CustomStringConvertible {
  /// A unit read a collection that its own collection did not declare.
  case undeclaredRead(of: String, in: String)
  /// A collection was read other than through the reader while a unit computed.
  case readAroundReader(of: String, in: String)
  /// An input was edited outside a transaction's body, or a transaction started inside another.
  case editWhileComputing
  /// Two units put out the same key.
  case outputOfTwoUnits(collection: String, key: String)

  public var description: String {
    switch self {
    case .undeclaredRead(let collection, let reader): "\(reader) reads \(collection), which it did not declare"
    case .readAroundReader(let collection, let reader): "\(reader) reads \(collection) around its reader"
    case .editWhileComputing: "an input was edited while the graph was computing"
    case .outputOfTwoUnits(let collection, let key): "two units of \(collection) put out \(key)"
    }
  }
}
