import Testing

@testable import ReleaseDemo

/// What the demo takes for well.
@Suite struct OutcomeTests {
  @Test(arguments: [(100, 0.05), (2400, 0.05), (800, 0.25), (150, 0.5), (5000, 0.999), (1, 0.5)])
  func theBoundLeavesOutNoMoreThanItsDoubt(_ requests: Int, _ share: Double) {
    for doubt in [1e-2, 1e-5] {
      let bound = BinomialBound(requests: requests, share: share, doubt: doubt)
      // Summed up anew, by the ratio of neighbours.
      var probabilities = [1.0]
      for count in 1...requests {
        probabilities.append(
          probabilities[count - 1] * Double(requests - count + 1) / Double(count) * share / (1 - share))
        // What is far from the middle would overflow.
        if let last = probabilities.last, last > 1e200 { probabilities = probabilities.map { $0 / 1e200 } }
      }
      let all = probabilities.reduce(0, +)
      let below = probabilities[..<bound.lowest].reduce(0, +) / all
      let above = probabilities[(bound.highest + 1)...].reduce(0, +) / all
      #expect(below <= doubt / 2 && above <= doubt / 2)
      // One narrower would leave out too much.
      #expect(below + probabilities[bound.lowest] / all > doubt / 2)
      #expect(above + probabilities[bound.highest] / all > doubt / 2)
    }
  }

  @Test func allAndNothingLeaveNoRoom() {
    let (all, none) = (
      BinomialBound(requests: 500, share: 1, doubt: 1e-5), BinomialBound(requests: 500, share: 0, doubt: 1e-5)
    )
    #expect(all.contains(500) && !all.contains(499))
    #expect(none.contains(0) && !none.contains(1))
  }

  private func outcome(_ candidate: Int, failed: Int = 0) -> Outcome {
    let steps = [
      DemoRun.Step(
        name: "canary 25 %", set: 25, liveAfter: .milliseconds(7), requests: 2100, failed: failed,
        measured: [(700, candidate), (700, 175), (700, 180)])
    ]
    return Outcome(steps: steps, sidecars: ["a", "b", "c"], complaints: [])
  }

  @Test func aShareOutsideItsBoundAndAFailureAreNamed() {
    #expect(outcome(170).complaints.isEmpty)
    #expect(outcome(170).table.contains("170 of 700"))
    #expect(outcome(60).complaints.contains { $0.contains("canary 25 %, a: 60 of 700") })
    #expect(outcome(170, failed: 1).complaints == ["canary 25 %: 1 requests failed"])
  }
}
