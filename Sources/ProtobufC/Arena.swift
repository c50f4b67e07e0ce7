#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Memory for messages that live for one call: taken by moving a pointer, given back all at once, and kept for the next call.
///
/// Messages to be packed are built here (`Arena+Building.swift`), and libprotobuf-c unpacks into it
/// (`Arena+Unpacking.swift`).
///
/// ## Who owns what
///
/// | pointer | allocated by | valid until | freed by |
/// |---|---|---|---|
/// | a message from `make`, its strings and arrays | the arena | the end of the `withScratch` that lent the arena, or `reset` | the arena, all at once |
/// | a message from `unpack` and all it points at | libprotobuf-c, through the arena | the same | the same; `…_free_unpacked` is never called, and when libprotobuf-c frees a part itself the arena ignores it |
/// | the bytes given to `unpack` | the caller | `unpack` returns: libprotobuf-c copies what it keeps | the caller |
/// | bytes from `Packing` | Swift (`[UInt8]`) or the arena (`in:`) | as any array; as the arena | Swift; the arena |
/// | a descriptor (`MessageType`) | constant data of the generated C code | the process ends | nobody |
///
/// Nothing from an arena leaves the closure that was lent it; what must live longer is copied into Swift values first.
///
/// ## Layout
///
///     chunk 0              chunk 1
///     ┌──────┬────┬──────┐ ┌────────┬─────────┐
///     │ used │used│(end) │ │  used  │  free   │
///     └──────┴────┴──────┘ └────────┴─────────┘
///                                   ▲ cursor  ▲ end
///
/// An arena belongs to one thread. It is not `Sendable`, and `withScratch` lends each thread its own.
public final class Arena {
  /// Every allocation is a multiple of this, which is the strictest alignment among the fields of generated messages.
  @usableFromInline static let alignment = 8
  private static let firstChunkByteCount = 16 << 10
  /// What an arena may keep for the next call.
  private static let retainedByteCount = 1 << 20

  // Unchecked: the check for overlapping accesses took a fifth of an encoding's time. The rule that makes it safe: an arena
  // is used by one thread, and no access of these properties lasts while anybody else's code runs. Numbers and pointers are
  // single loads and stores; `chunks` changes in `allocateInNextChunk` and `trim` alone, which call the allocator and nothing
  // of a client's.
  @usableFromInline @exclusivity(unchecked) var cursor: UnsafeMutableRawPointer
  @usableFromInline @exclusivity(unchecked) var end: UnsafeMutableRawPointer
  @exclusivity(unchecked) private var chunks: [UnsafeMutableRawBufferPointer]
  @exclusivity(unchecked) private var current = 0
  @exclusivity(unchecked) private var depth = 0
  /// An object that the arena's user keeps from one call to the next, retained; released with the arena. It must not point into
  /// the arena. It is of one thread, as the arena is.
  @exclusivity(unchecked) private var attachment: UnsafeMutableRawPointer?
  /// What libprotobuf-c may still take in the unpacking under way.
  @exclusivity(unchecked) var unpackingBudget = 0

  public init() {
    let chunk = UnsafeMutableRawBufferPointer.allocate(
      byteCount: Self.firstChunkByteCount, alignment: Self.alignment)
    chunks = [chunk]
    cursor = chunk.baseAddress!
    end = cursor + chunk.count
  }

  deinit {
    for chunk in chunks { chunk.deallocate() }
    // Balances the retain of whoever attached it.
    if let attachment { Unmanaged<AnyObject>.fromOpaque(attachment).release() }
  }

  /// What is attached; made and retained by the closure when it is first asked for.
  public func attachment(_ make: () -> UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    // Here, and not where it is used: another module's access of the property would be checked.
    if let attachment { return attachment }
    let made = make()
    attachment = made
    return made
  }

  /// Uninitialised memory, aligned for any field of a message. Costs a few instructions.
  @inlinable
  public func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    let rounded = (byteCount + Arena.alignment - 1) & ~(Arena.alignment - 1)
    guard rounded <= end - cursor else { return allocateInNextChunk(byteCount: rounded) }
    let result = cursor
    cursor = result + rounded
    return result
  }

  @usableFromInline @inline(never)
  func allocateInNextChunk(byteCount: Int) -> UnsafeMutableRawPointer {
    repeat {
      current += 1
      if current == chunks.count {
        let size = max(chunks[current - 1].count * 2, byteCount)
        chunks.append(.allocate(byteCount: size, alignment: Self.alignment))
      }
    } while chunks[current].count < byteCount
    let result = chunks[current].baseAddress!
    cursor = result + byteCount
    end = result + chunks[current].count
    return result
  }

  /// Gives back everything, and to the system what exceeds the amount worth keeping.
  public func reset() {
    rewind(to: Mark(chunk: 0, cursor: chunks[0].baseAddress!))
    if chunks.count > 1 { trim() }
  }

  private func trim() {
    var kept = 0
    let count = chunks.prefix { chunk in
      kept += chunk.count
      return kept <= Self.retainedByteCount
    }.count
    for chunk in chunks[count...] { chunk.deallocate() }
    chunks.removeSubrange(count...)
  }

  /// How much memory the arena holds, used or not.
  public var capacity: Int { chunks.reduce(0) { $0 + $1.count } }

  @usableFromInline
  struct Mark {
    var chunk: Int
    var cursor: UnsafeMutableRawPointer
  }

  private func rewind(to mark: Mark) {
    current = mark.chunk
    cursor = mark.cursor
    end = chunks[current].baseAddress! + chunks[current].count
  }

  /// Lends the calling thread's arena. Whatever is allocated inside is gone when `body` returns.
  ///
  /// `body` cannot suspend, so it stays on its thread, and no other thread can reach that arena. A call inside a call gets the
  /// same arena and gives back its own part only.
  @inlinable
  public static func withScratch<Result>(_ body: (Arena) throws -> Result) rethrows -> Result {
    // The thread owns its arena: to count a reference for each call would cost more than the rest of this.
    try ofThread._withUnsafeGuaranteedRef { arena in
      let mark = arena.enterScratch()
      defer { arena.leaveScratch(mark) }
      return try body(arena)
    }
  }

  @usableFromInline
  func enterScratch() -> Mark {
    depth += 1
    return Mark(chunk: current, cursor: cursor)
  }

  @usableFromInline
  func leaveScratch(_ mark: Mark) {
    depth -= 1
    if depth == 0 { reset() } else { rewind(to: mark) }
  }

  private static let threadKey: pthread_key_t = {
    var key = pthread_key_t()
    let status = pthread_key_create(&key) { arena in
      // Balances the retain in `ofThread`; the system calls this when the thread ends.
      if let arena = arena as UnsafeMutableRawPointer? { Unmanaged<Arena>.fromOpaque(arena).release() }
    }
    precondition(status == 0, "no thread-specific key left: \(status)")
    return key
  }()

  @usableFromInline
  static var ofThread: Unmanaged<Arena> {
    if let pointer = pthread_getspecific(threadKey) { return Unmanaged<Arena>.fromOpaque(pointer) }
    // Retained until the thread ends: see `threadKey`.
    let arena = Unmanaged.passRetained(Arena())
    let status = pthread_setspecific(threadKey, arena.toOpaque())
    precondition(status == 0, "cannot keep a thread's arena: \(status)")
    return arena
  }
}
