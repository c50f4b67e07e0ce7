extension RandomAccessCollection {
  /// Of a collection that is sorted, smallest first: the smallest element that at least this part of all do not exceed (nearest rank).
  /// O(1).
  ///
  /// - Parameter part: 0 (the smallest) to 1 (the largest).
  /// - Returns: nil only if there is none.
  public func percentile(_ part: Double) -> Element? {
    guard !isEmpty else { return nil }
    let rank = Int((part * Double(count)).rounded(.up))
    return self[index(startIndex, offsetBy: Swift.min(Swift.max(rank, 1), count) - 1)]
  }
}
