/// The recorded reads: an edge says that a unit read a cell.
///
/// A cell's edges form a doubly linked list (any of them leaves in O(1)); a unit's edges form a singly linked list in the
/// order of its reads, against which the next run compares its own.
struct EdgePool: ~Copyable {
  struct Edge {
    var readerNode: UInt16
    var sourceNode: UInt16
    var readerSlot: Int32
    var sourceSlot: Int32
    var previousOfCell: Int32
    /// Links the free edges, too.
    var nextOfCell: Int32
    var nextOfUnit: Int32
  }

  private var edges = SlotArray<Edge>()
  private var firstFree: Int32 = -1
  private(set) var count = 0

  subscript(edge: Int32) -> Edge {
    _read { yield edges[edge] }
    _modify { yield &edges[edge] }
  }

  mutating func add(_ edge: Edge) -> Int32 {
    count += 1
    if firstFree != -1 {
      let reused = firstFree
      firstFree = edges[reused].nextOfCell
      edges[reused] = edge
      return reused
    }
    edges.append(edge)
    return Int32(edges.count - 1)
  }

  func expect(_ edge: Int32) { edges.expect(edge) }

  mutating func reserve(adding count: Int) { edges.reserveCapacity(edges.count + count) }

  mutating func remove(_ edge: Int32) {
    count -= 1
    edges[edge].nextOfCell = firstFree
    firstFree = edge
  }
}

extension Graph {
  /// Lends a node without counting a reference to it: the graph owns its nodes.
  @inline(__always) func node(_ id: UInt16, _ body: (Node) -> Void) {
    Unmanaged<Node>.fromOpaque(nodePointers[Int32(id)])._withUnsafeGuaranteedRef(body)
  }

  /// Makes room for so many recorded reads more, before a large transaction.
  public func reserve(reads count: Int) { edges.reserve(adding: count) }

  /// Starts a unit's run; `firstEdge` are its reads of the last run.
  @usableFromInline func beginRun(_ node: Node, slot: Int32, firstEdge: Int32) {
    if run.id == .max {
      for node in nodes { node.forgetStamps() }
      run.id = 0
    }
    statistics.runs += 1
    run = Run(isActive: true, node: node.id, slot: slot, id: run.id + 1, first: firstEdge, last: -1, next: firstEdge)
  }

  /// The slot that the running unit read at this point of its last run, if it was one of this collection, else -1: as a
  /// rule it reads the same again, and to compare a key costs less than to hash it.
  @usableFromInline func expectedSlot(in node: Node) -> Int32 {
    let next = run.next
    guard next != -1, edges[next].sourceNode == UInt16(node.id) else { return -1 }
    return edges[next].sourceSlot
  }

  /// How many reads of a unit are asked for at most, three lines of the cache each.
  static let readsExpected = 64
  /// How far from where it is in the reads of its last run a unit's next read is looked for.
  static let readsLookedAhead = 4

  /// Asks for what a unit has read in its last run, and is likely to read again.
  @usableFromInline func expectReads(from first: Int32) {
    var current = first
    var count = 0
    while current != -1, count < Self.readsExpected {
      let edge = edges[current]
      node(edge.sourceNode) { $0.expectValue(edge.sourceSlot) }
      current = edge.nextOfUnit
      count += 1
    }
  }

  /// Notes that the running unit read a cell.
  @usableFromInline func noteRead(_ node: Node, slot: Int32) {
    if checksReads, !run.isActive || !nodes[run.node].mayRead(node.id) {
      onViolation(.undeclaredRead(of: node.name, in: nodes[run.node].name))
    }
    node.reserveCell(slot)
    guard node.cells[slot].lastRead != run.id else { return }
    node.cells[slot].lastRead = run.id
    let next = run.next
    // Mostly what was read at this point of the last run. What was read a little later was preceded by reads that this run has
    // left out, or put off: a member has gone, or has another place.
    var ahead = next
    var distance = 0
    while ahead != -1, distance <= Self.readsLookedAhead {
      if edges[ahead].sourceSlot == slot, edges[ahead].sourceNode == UInt16(node.id) {
        if distance > 0 {
          if run.last == -1 { run.first = ahead } else { edges[run.last].nextOfUnit = ahead }
          forgetReads(from: next, upTo: ahead)
        }
        run.last = ahead
        run.next = edges[ahead].nextOfUnit
        return
      }
      ahead = edges[ahead].nextOfUnit
      distance += 1
    }
    let firstReader = node.cells[slot].firstReader
    let edge = edges.add(
      .init(
        readerNode: UInt16(run.node), sourceNode: UInt16(node.id), readerSlot: run.slot, sourceSlot: slot,
        previousOfCell: -1, nextOfCell: firstReader, nextOfUnit: next))
    if firstReader != -1 { edges[firstReader].previousOfCell = edge }
    node.cells[slot].firstReader = edge
    if run.last == -1 { run.first = edge } else { edges[run.last].nextOfUnit = edge }
    run.last = edge
  }

  /// Ends the run: reads of the last run that were not repeated are forgotten. Returns the unit's first edge.
  @usableFromInline func endRun() -> Int32 {
    let stale = run.next
    if stale != -1 {
      if run.last == -1 { run.first = -1 } else { edges[run.last].nextOfUnit = -1 }
      forgetReads(from: stale)
    }
    run.isActive = false
    return run.first
  }

  /// - Parameter end: the edge after the last one to be forgotten; -1 for all.
  @usableFromInline func forgetReads(from first: Int32, upTo end: Int32 = -1) {
    var current = first
    while current != end {
      let edge = edges[current]
      if edge.nextOfCell != -1 { edges[edge.nextOfCell].previousOfCell = edge.previousOfCell }
      if edge.previousOfCell != -1 {
        edges[edge.previousOfCell].nextOfCell = edge.nextOfCell
      } else {
        node(edge.sourceNode) { $0.setFirstReader(edge.nextOfCell, of: edge.sourceSlot) }
      }
      edges.remove(current)
      current = edge.nextOfUnit
    }
  }

  /// Every unit that read the cell must run.
  func markReaders(from first: Int32) {
    var current = first
    while current != -1 {
      let edge = edges[current]
      node(edge.readerNode) { $0.mark(edge.readerSlot) }
      current = edge.nextOfCell
    }
  }
}
