import Testing

@testable import HTTP2Session

@Suite struct StreamTableTests {
  @Test func agreesWithADictionary() {
    var table = StreamTable<Int32, Int>()
    var reference: [Int32: Int] = [:]
    for step in 0..<2000 {
      // Mostly new numbers, as a connection has them; some from before.
      let id = Int32(step % 7 == 0 ? step / 3 : step)
      if step % 3 == 1 {
        #expect(table.removeValue(forKey: id - 5) == reference.removeValue(forKey: id - 5))
      } else {
        table[id] = step
        reference[id] = step
      }
      #expect(table.count == reference.count)
      #expect(table[id - 2] == reference[id - 2])
    }
    #expect(table.keys == reference.keys.sorted())
    for id in Int32(-1)...2001 { #expect(table[id] == reference[id]) }
    for id in reference.keys { table[id] = nil }
    #expect(table.isEmpty)
  }
}
