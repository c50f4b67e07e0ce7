extension [UInt8] {
  /// Damages bytes that were well formed, at `count` places: bits, bytes and runs changed, lost, doubled or moved.
  mutating func mutate(count: Int, _ random: inout FuzzRandom) {
    for _ in 0..<count where !isEmpty {
      let place = random.below(self.count)
      let run = Swift.min(self.count - place, 1 + random.length(upTo: 64))
      switch random.below(9) {
      case 0: self[place] ^= 1 << UInt8(random.below(8))
      case 1: self[place] = random.byte()
      case 2: self[place] = random.pick([0, 1, 0x7f, 0x80, 0xff])
      case 3: removeSubrange(place..<place + run)
      case 4: insert(contentsOf: Array(self[place..<place + run]), at: random.below(self.count + 1))
      case 5: insert(contentsOf: random.bytes(1 + random.below(8)), at: place)
      case 6: removeLast(self.count - place)
      case 7:
        let other = random.below(self.count)
        swapAt(place, other)
      default:
        // A big-endian number, as lengths are in HTTP/2 and gRPC.
        let number = random.interesting()
        for offset in 0..<Swift.min(4, self.count - place) {
          self[place + offset] = UInt8(truncatingIfNeeded: number >> UInt64(8 * (3 - offset)))
        }
      }
    }
  }
}

/// Reads an input as a sequence of choices. Past the end every choice is 0, so any bytes are a whole input, and cutting bytes
/// off an input makes a simpler one.
struct ByteProgram {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  init(_ bytes: some Sequence<UInt8>) {
    self.bytes = ArraySlice(Array(bytes))
    position = self.bytes.startIndex
  }

  var isAtEnd: Bool { position >= bytes.endIndex }

  mutating func byte() -> Int {
    guard position < bytes.endIndex else { return 0 }
    defer { position += 1 }
    return Int(bytes[position])
  }

  mutating func below(_ bound: Int) -> Int { byte() % bound }

  mutating func oneIn(_ count: Int) -> Bool { byte() % count == count - 1 }

  /// The next `count` bytes, fewer at the end.
  mutating func take(_ count: Int) -> ArraySlice<UInt8> {
    let end = min(bytes.endIndex, position + max(0, count))
    defer { position = end }
    return bytes[position..<end]
  }

  mutating func rest() -> ArraySlice<UInt8> { take(bytes.endIndex - position) }
}
