extension RandomAccessCollection where Element: Comparable {
  /// Of a collection that is sorted, smallest first: the smallest element that at least this part of all do not exceed. O(1).
  ///
  /// - Parameter part: 0 (the smallest) to 1 (the largest); anything else is an error of the program.
  /// - Returns: nil only if there is none.
  public func nearestRank(_ part: Double) -> Element? {
    precondition(0...1 ~= part, "a part of all is between 0 and 1")
    guard !isEmpty else { return nil }
    let rank = Int((part * Double(count)).rounded(.up))
    return self[index(startIndex, offsetBy: Swift.min(Swift.max(rank, 1), count) - 1)]
  }
}
