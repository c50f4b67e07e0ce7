public import CPrefetch

#if canImport(Glibc)
  public import Glibc
#elseif canImport(Musl)
  public import Musl
#else
  public import Darwin
#endif

/// Elements by slot, in memory of its own: as long as the highest slot in use demands, never shared, never copied.
///
/// An array would do, but each access in a class costs a check that nobody shares it, and reading an element a copy.
@frozen @usableFromInline struct SlotArray<Element>: ~Copyable {
  @usableFromInline var base: UnsafeMutablePointer<Element>
  @usableFromInline var count: Int
  @usableFromInline var capacity: Int

  @inlinable init() {
    capacity = 16
    count = 0
    base = Self.reallocate(nil, 16)
  }

  @inlinable deinit {
    base.deinitialize(count: count)
    free(base)
  }

  /// By the C library, which moves large blocks by their pages: nothing is copied, and no fresh page is touched. Elements are
  /// values that may be moved as bytes, as all of Swift's own are but weak references.
  @inlinable static func reallocate(
    _ base: UnsafeMutablePointer<Element>?, _ capacity: Int
  ) -> UnsafeMutablePointer<Element> {
    guard let memory = realloc(base, capacity * MemoryLayout<Element>.stride) else { fatalError("out of memory") }
    return memory.assumingMemoryBound(to: Element.self)
  }

  /// - Parameter slot: one that is there.
  @inlinable subscript(slot: Int32) -> Element {
    @inline(__always) _read {
      assert(slot >= 0 && Int(slot) < count)
      yield base[Int(slot)]
    }
    @inline(__always) _modify {
      assert(slot >= 0 && Int(slot) < count)
      yield &base[Int(slot)]
    }
  }

  @inlinable func has(_ slot: Int32) -> Bool { Int(slot) < count }

  /// Puts an element in place and gives back what was there. Nothing is retained or released.
  @inlinable mutating func exchange(_ slot: Int32, _ element: consuming Element) -> Element {
    let place = base + Int(slot)
    let old = place.move()
    place.initialize(to: element)
    return old
  }

  @inlinable mutating func append(_ element: consuming Element) {
    if count == capacity { grow() }
    (base + count).initialize(to: element)
    count += 1
  }

  /// Says that an element is about to be read and written; see `Node.expectUnit`.
  @inlinable @inline(__always) func expect(_ slot: Int32) { weir_prefetch(base + Int(slot)) }

  /// The same for what an element refers to, where it is one reference. The element itself should be near.
  @inlinable @inline(__always) func expectObject(at slot: Int32) {
    guard MemoryLayout<Element>.size == MemoryLayout<UInt>.size, has(slot) else { return }
    let object = UnsafeRawPointer(base + Int(slot)).load(as: UInt.self)
    weir_prefetch(UnsafeRawPointer(bitPattern: object))
    weir_prefetch(UnsafeRawPointer(bitPattern: object &+ 64))
  }

  /// Lends the place of an element, until the next one is added.
  @inlinable @inline(__always) func pointer(to slot: Int32) -> UnsafePointer<Element> {
    assert(slot >= 0 && Int(slot) < count)
    return UnsafePointer(base + Int(slot))
  }

  /// Forgets all elements, and the memory if it is more than a small edit needs.
  @inlinable mutating func removeAll() {
    base.deinitialize(count: count)
    count = 0
    guard capacity > 1024 else { return }
    capacity = 16
    base = Self.reallocate(base, 16)
  }

  /// Makes the slot exist, and all below it.
  @inlinable @inline(__always) mutating func reserve(_ slot: Int32, _ filling: @autoclosure () -> Element) {
    while count <= Int(slot) { append(filling()) }
  }

  @inlinable @inline(never) mutating func grow() { reserveCapacity(capacity * 2) }

  /// Makes room for so many elements in all.
  @inlinable mutating func reserveCapacity(_ wanted: Int) {
    guard wanted > capacity else { return }
    capacity = wanted
    base = Self.reallocate(base, wanted)
  }
}
