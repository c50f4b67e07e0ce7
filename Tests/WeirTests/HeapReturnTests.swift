import Testing

@testable import Weir

@Suite struct HeapReturnTests {
  @Test func aDropIsToldOnceItIsMoreThanWhatStays() {
    var heap = HeapReturn()
    #expect(!heap.hasDropped(connections: 2_001, bytes: 0))
    #expect(!heap.hasDropped(connections: 1_500, bytes: 0))
    #expect(heap.hasDropped(connections: 900, bytes: 0))
    #expect(!heap.hasDropped(connections: 900, bytes: 0))
    #expect(heap.hasDropped(connections: 1, bytes: 0))
    #expect(!heap.hasDropped(connections: 1, bytes: 0))
  }

  @Test func fewConnectionsAndLittleMemoryAreNotWorthIt() {
    var heap = HeapReturn()
    #expect(!heap.hasDropped(connections: HeapReturn.fewConnections, bytes: HeapReturn.fewBytes))
    #expect(!heap.hasDropped(connections: 0, bytes: 0))
    #expect(!heap.hasDropped(connections: 1, bytes: 100 << 20))
    #expect(heap.hasDropped(connections: 1, bytes: 10 << 20))
  }
}
