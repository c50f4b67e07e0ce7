internal import CPrefetch

/// Where the objects of one stream lie in memory, so that the processor can fetch them before they are needed.
///
/// With a thousand streams none of this is in a core's cache when a stream's turn comes, and each object is found by a look into
/// the one before: a hundred waits in a row. Fetched ahead they overlap with each other and with the work for the streams before.
/// It is a hint about addresses and nothing else: one whose object has gone or moved is fetched in vain, and never read.
struct MemoryPlaces {
  /// How many streams ahead is early enough, and does not yet push out what the streams before need.
  static let lookahead = 2
  private static let line = 64
  /// Lines in a row: the address of the first, which leaves the low bits for how many there are.
  private var runs: [UInt] = []

  init() {}

  mutating func add(_ address: UnsafeRawPointer, _ byteCount: Int) {
    let first = UInt(bitPattern: address) & ~UInt(Self.line - 1)
    let lines = (UInt(bitPattern: address) + UInt(byteCount) - first + UInt(Self.line) - 1) / UInt(Self.line)
    runs.append(first | min(lines, UInt(Self.line - 1)))
  }

  func prefetch() { forEachLine { weir_prefetch(UnsafeRawPointer(bitPattern: $0)) } }

  /// - Parameter body: is told the address of each line.
  func forEachLine(_ body: (UInt) -> Void) {
    for run in runs {
      let first = run & ~UInt(Self.line - 1)
      for line in 0..<run & UInt(Self.line - 1) { body(first + line * UInt(Self.line)) }
    }
  }
}
