/// The open streams of a connection, by number.
///
/// Numbers only grow, so they are kept in order: a new stream is appended, and one is found by halving, with no hash. Most
/// connections to a control plane have one stream, which is looked up ten times for each message.
package struct StreamTable<ID: Comparable & Sendable, Stream> {
  @usableFromInline var ids: [ID] = []
  @usableFromInline var streams: [Stream] = []

  @inlinable package init() {}

  @inlinable package var count: Int { ids.count }
  @inlinable package var isEmpty: Bool { ids.isEmpty }
  package var keys: [ID] { ids }
  package var values: [Stream] { streams }

  /// O(log n) to read; to set, O(1) for a number above all others, else O(n).
  @inlinable package subscript(id: ID) -> Stream? {
    get {
      let index = position(of: id)
      return index < ids.count && ids[index] == id ? streams[index] : nil
    }
    set {
      guard let newValue else {
        removeValue(forKey: id)
        return
      }
      let index = position(of: id)
      if index < ids.count, ids[index] == id {
        streams[index] = newValue
      } else {
        ids.insert(id, at: index)
        streams.insert(newValue, at: index)
      }
    }
  }

  /// O(n) moves.
  @inlinable @discardableResult
  package mutating func removeValue(forKey id: ID) -> Stream? {
    let index = position(of: id)
    guard index < ids.count, ids[index] == id else { return nil }
    ids.remove(at: index)
    return streams.remove(at: index)
  }

  /// Where the number is, or would be.
  @inlinable func position(of id: ID) -> Int {
    var low = 0
    var high = ids.count
    // What is looked for is mostly the newest.
    if let last = ids.last, last <= id { return last == id ? high - 1 : high }
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
