extension Dictionary {
  /// Gives up the room of those that have gone, when these are nearly all. A dictionary never shrinks by itself: what thousands of
  /// clients took would stay after them. To be called when something has been taken out: O(1) for each on average.
  mutating func giveRoomBack() {
    if capacity > 64, count < capacity / 8 { self = Dictionary(uniqueKeysWithValues: map { ($0.key, $0.value) }) }
  }
}
