import Foundation

/// How many of a number of requests may go to a version that has a share of them, if each is decided by chance.
///
/// An Envoy draws for every request by itself, so the count is binomially distributed. The bound is exact, not the normal
/// approximation: outside it lies at most `doubt` of the probability, half of it on each side.
struct BinomialBound: Hashable {
  let lowest: Int
  let highest: Int

  /// - Parameter share: from 0 to 1. All or nothing leaves no room.
  init(requests: Int, share: Double, doubt: Double) {
    guard share > 0, share < 1, requests > 0 else {
      (lowest, highest) = share >= 1 ? (requests, requests) : (0, 0)
      return
    }
    func logProbability(_ count: Int) -> Double {
      let (n, k) = (Double(requests), Double(count))
      let ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
      return ways + k * log(share) + (n - k) * log1p(-share)
    }
    func steps(_ counts: some Sequence<Int>) -> Int {
      var sum = 0.0
      var steps = 0
      for count in counts {
        sum += exp(logProbability(count))
        if sum > doubt / 2 { break }
        steps += 1
      }
      return steps
    }
    lowest = steps(0...requests)
    highest = requests - steps((0...requests).reversed())
  }

  func contains(_ count: Int) -> Bool { (lowest...highest).contains(count) }
}
