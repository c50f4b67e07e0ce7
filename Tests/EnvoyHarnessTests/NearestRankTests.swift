import EnvoyHarness
import Testing

@Suite struct NearestRankTests {
  @Test func ofAHundredTheNinetyNinthIsNotTheLast() {
    #expect((1...100).nearestRank(0.99) == 99)
    #expect((1...100).nearestRank(1) == 100)
    #expect((1...100).nearestRank(0.5) == 50)
  }

  @Test func ofFewTheLastIs() {
    #expect((1...20).nearestRank(0.99) == 20)
    #expect((1...3).nearestRank(0.5) == 2)
    #expect([7.0].nearestRank(0.99) == 7)
  }

  @Test func nothingHasNone() {
    #expect([Int]().nearestRank(0.5) == nil)
    #expect([2, 3].nearestRank(0) == 2)
  }
}
