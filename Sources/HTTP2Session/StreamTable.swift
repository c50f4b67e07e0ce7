/// The open streams of a connection, by number.
///
/// Numbers only grow, so they are kept in order: a new stream is appended, and one is found by halving, with no hash. The
/// newest lies in the table itself: most connections to a control plane have one stream, which is looked up ten times for each
/// message, and so without a look into memory elsewhere.
package struct StreamTable<ID: Comparable & Sendable, Stream> {
  @usableFromInline var newest: (id: ID, stream: Stream)?
  // All others.
  @usableFromInline var ids: [ID] = []
  @usableFromInline var streams: [Stream] = []

  @inlinable package init() {}

  @inlinable package var count: Int { ids.count + (newest == nil ? 0 : 1) }
  @inlinable package var isEmpty: Bool { newest == nil }
  package var keys: [ID] { newest.map { ids + [$0.id] } ?? [] }
  package var values: [Stream] { newest.map { streams + [$0.stream] } ?? [] }

  /// O(log n) to read; to set, O(1) for a number above all others, else O(n).
  @inlinable package subscript(id: ID) -> Stream? {
    @inline(__always) get {
      if let newest, newest.id == id { return newest.stream }
      return other(id)
    }
    set {
      guard let newValue else {
        removeValue(forKey: id)
        return
      }
      guard let last = newest, id < last.id else {
        if let last = newest, last.id < id {
          ids.append(last.id)
          streams.append(last.stream)
        }
        newest = (id, newValue)
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

  @inlinable func other(_ id: ID) -> Stream? {
    guard !ids.isEmpty else { return nil }
    let index = position(of: id)
    return index < ids.count && ids[index] == id ? streams[index] : nil
  }

  /// O(n) moves.
  @inlinable @discardableResult
  package mutating func removeValue(forKey id: ID) -> Stream? {
    if let last = newest, last.id == id {
      newest = ids.popLast().map { ($0, streams.removeLast()) }
      return last.stream
    }
    let index = position(of: id)
    guard index < ids.count, ids[index] == id else { return nil }
    ids.remove(at: index)
    return streams.remove(at: index)
  }

  /// Where the number is among the others, or would be.
  @inlinable func position(of id: ID) -> Int {
    var low = 0
    var high = ids.count
    // What is looked for is mostly one of the newest.
    if let last = ids.last, last <= id { return last == id ? high - 1 : high }
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
