import Testing

@testable import Weir

@Suite struct HeapReturnTests {
  private func told(_ readings: [(connections: Int, bytes: Int)]) -> [Bool] {
    var heap = HeapReturn()
    return readings.map { heap.hasDropped(connections: $0.connections, bytes: $0.bytes) }
  }

  @Test func aDropIsToldOnceItIsMoreThanWhatStays() {
    let readings = [2_001, 1_500, 900, 900, 1, 1].map { (connections: $0, bytes: 0) }
    #expect(told(readings) == [false, false, true, false, true, false])
  }

  @Test func fewConnectionsAndLittleMemoryAreNotWorthIt() {
    let readings = [
      (connections: HeapReturn.fewConnections, bytes: HeapReturn.fewBytes), (connections: 0, bytes: 0),
      (connections: 1, bytes: 100 << 20), (connections: 1, bytes: 10 << 20),
    ]
    #expect(told(readings) == [false, false, false, true])
  }
}
