import Testing

@testable import Weir

@Suite struct HeapReturnTests {
  private func told(_ readings: [(connections: Int, bytes: Int)]) -> [Bool] {
    var heap = HeapReturn()
    return readings.map { heap.hasDropped(connections: $0.connections, bytes: $0.bytes, closed: 0) }
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

  /// Ten at a time, for hours: never a drop, and yet they leave what their thousands have used.
  @Test func whatComesAndGoesIsToldWhenItIsOver() {
    var heap = HeapReturn()
    let closed = [0, 400, 900, 900, 900, 950, 950, 1_100, 1_100]
    let told = closed.map { heap.hasDropped(connections: 10, bytes: 0, closed: $0) }
    #expect(told == [false, false, false, true, false, false, false, false, true])
  }
}
