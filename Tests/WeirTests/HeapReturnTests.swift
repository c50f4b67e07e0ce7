import Testing

@testable import Weir

@Suite struct HeapReturnTests {
  private func told(_ readings: [HeapReturn.Reading]) -> [Bool] {
    var heap = HeapReturn()
    return readings.map { heap.hasDropped(to: $0, closed: 0) }
  }

  @Test func aDropIsToldWhenItIsMoreThanWhatStaysAndOnceMore() {
    let readings = [2_001, 1_500, 900, 900, 1, 1, 1].map { HeapReturn.Reading(connections: $0) }
    #expect(told(readings) == [false, false, true, true, true, true, false])
  }

  @Test func fewConnectionsAndLittleMemoryAreNotWorthIt() {
    let few = HeapReturn.Reading.few
    let readings = [
      few, HeapReturn.Reading(), HeapReturn.Reading(connections: 1, bytes: 100 << 20),
      HeapReturn.Reading(connections: 1, bytes: 10 << 20),
    ]
    #expect(told(readings) == [false, false, false, true])
  }

  /// A minute after the last of them: nothing else happens then.
  @Test func classesThatGoAreTold() {
    let readings = [3, 200, 200, 3, 3, 3].map { HeapReturn.Reading(connections: 10, classes: $0) }
    #expect(told(readings) == [false, false, false, true, true, false])
  }

  /// Ten at a time, for hours: never a drop, and yet they leave what their thousands have used.
  @Test func whatComesAndGoesIsToldWhenItIsOver() {
    var heap = HeapReturn()
    let closed = [0, 400, 900, 900, 900, 950, 950, 1_100, 1_100]
    let told = closed.map { heap.hasDropped(to: HeapReturn.Reading(connections: 10), closed: $0) }
    #expect(told == [false, false, false, true, true, false, false, false, true])
  }

  /// What was kept for those who have gone goes later than they.
  @Test func onceMoreWhenNothingElseHasGoneForAWhile() {
    var heap = HeapReturn()
    let few = HeapReturn.Reading(connections: 1, classes: 3)
    let many = HeapReturn.Reading(connections: 1, classes: 200)
    let readings = [few, many, few, few, few, few, few]
    let told = readings.map { heap.hasDropped(to: $0, closed: 0) }
    #expect(told == [false, false, true, true, false, false, false])
  }

  @Test func whatStillGoesPutsThatOff() {
    var heap = HeapReturn()
    let few = HeapReturn.Reading(connections: 1, classes: 3)
    let closed = [0, 200, 200, 220, 240, 241, 242]
    let told = closed.map { heap.hasDropped(to: few, closed: $0) }
    #expect(told == [false, false, true, false, false, true, false])
  }
}
