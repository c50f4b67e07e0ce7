extension Dictionary {
  /// Takes a value out, and when nearly all have gone the room that they took. A dictionary never shrinks by itself: what thousands of
  /// clients took would stay after them. O(1) on average.
  mutating func takeOut(_ key: Key) -> Value? {
    let value = removeValue(forKey: key)
    if capacity > 64, count < capacity / 8 { self = Dictionary(uniqueKeysWithValues: map { ($0.key, $0.value) }) }
    return value
  }
}
