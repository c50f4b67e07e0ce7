import ProtobufC
import Testing

@Suite struct ArenaTests {
  @Test func allocationsAreApartAndAligned() {
    let arena = Arena()
    var generator = SeededGenerator(seed: 5)
    var last: [(address: Int, count: Int)] = []
    for round in 0..<2_000 {
      let count = Int.random(in: 0...(round % 100 == 99 ? 100_000 : 200), using: &generator)
      let memory = arena.allocate(byteCount: count)
      memory.initializeMemory(as: UInt8.self, repeating: UInt8(round & 255), count: count)
      last.append((Int(bitPattern: memory), count))
      #expect(Int(bitPattern: memory) % 8 == 0)
    }
    let sorted = last.filter { $0.count > 0 }.sorted { $0.address < $1.address }
    for (a, b) in zip(sorted, sorted.dropFirst()) { #expect(a.address + a.count <= b.address) }
  }

  @Test func resetKeepsALittleAndReusesIt() {
    let arena = Arena()
    let first = arena.allocate(byteCount: 100)
    _ = arena.allocate(byteCount: 10 << 20)
    #expect(arena.capacity > 10 << 20)
    arena.reset()
    #expect(arena.capacity <= 1 << 20)
    #expect(arena.allocate(byteCount: 100) == first)
    let capacity = arena.capacity
    for _ in 0..<100 {
      arena.reset()
      for _ in 0..<100 { _ = arena.allocate(byteCount: 100) }
    }
    #expect(arena.capacity == capacity, "what fits is not allocated anew")
  }

  @Test func aCallInsideACallKeepsTheOuterOnesMemory() {
    Arena.withScratch { outer in
      let kept = outer.string("outer")
      Arena.withScratch { inner in
        #expect(inner === outer)
        for _ in 0..<1_000 { _ = inner.string("inner") }
      }
      _ = outer.string("after")
      #expect(String(cString: kept) == "outer")
    }
  }

  @Test func threadsHaveTheirOwn() async {
    await withTaskGroup(of: Bool.self) { group in
      for task in 0..<32 {
        group.addTask {
          (0..<200).allSatisfy { round in
            Arena.withScratch { arena in
              let texts = (0..<20).map { "\(task)-\(round)-\($0)" }
              let copies = texts.map { arena.string($0) }
              return zip(texts, copies).allSatisfy { $0 == String(cString: $1) }
            }
          }
        }
      }
      for await good in group { #expect(good) }
    }
  }

  @Test func strings() {
    Arena.withScratch { arena in
      #expect(String(cString: arena.string("")) == "")
      #expect(String(cString: arena.string("é😀")) == "é😀")
      #expect(String(cString: arena.string("a\0b\0")) == "a\u{FFFD}b\u{FFFD}")
      let long = String(repeating: "x", count: 100_000)
      #expect(String(cString: arena.string(long)) == long)
    }
  }
}
