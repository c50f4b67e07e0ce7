import EnvoyHarness
import Testing

@Suite struct NearestRankTests {
  @Test func ofAHundredTheNinetyNinthIsNotTheLast() {
    #expect((1...100).percentile(0.99) == 99)
    #expect((1...100).percentile(1) == 100)
    #expect((1...100).percentile(0.5) == 50)
  }

  @Test func ofFewTheLastIs() {
    #expect((1...20).percentile(0.99) == 20)
    #expect((1...3).percentile(0.5) == 2)
    #expect([7.0].percentile(0.99) == 7)
  }

  @Test func nothingHasNone() {
    #expect([Int]().percentile(0.5) == nil)
    #expect([2, 3].percentile(0) == 2)
    #expect([2, 3].percentile(-1) == 2)
    #expect([2, 3].percentile(2) == 3)
  }
}
