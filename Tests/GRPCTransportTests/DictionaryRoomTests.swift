import Testing

@testable import GRPCTransport

@Suite struct DictionaryRoomTests {
  @Test func theRoomOfThoseWhoHaveGoneGoesToo() {
    var values = Dictionary(uniqueKeysWithValues: (0..<5000).map { ($0, -$0) })
    for key in 0..<4990 {
      values[key] = nil
      values.giveRoomBack()
    }
    #expect(values.capacity <= 8 * 11)
    #expect(values.count == 10 && (4990..<5000).allSatisfy { values[$0] == -$0 })
  }
}
