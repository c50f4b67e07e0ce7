/// What one call is charged for the bytes that it holds, in steps: holding a little costs nothing, not even a look at the
/// account.
struct BufferCharge {
  private static let step = 16 << 10

  private let connection: ConnectionCalls
  /// Bytes that are charged now.
  private(set) var charged = 0

  init(_ connection: ConnectionCalls) { self.connection = connection }

  /// The call holds so many bytes now. False if there is no room for them; what was charged before stays charged.
  mutating func holds(_ count: Int) -> Bool {
    guard count >= Self.step || charged > 0 else { return true }
    // Down to a multiple; up by halves, so that a large message is a few charges and not a thousand.
    if count > charged {
      let least = (count - charged) / Self.step * Self.step
      guard least > 0 else { return true }
      var more = max(least, charged / 2 / Self.step * Self.step)
      if !connection.charge(more, makesRoom: more == least) {
        guard more > least else { return false }
        more = least
        guard connection.charge(more, makesRoom: true) else { return false }
      }
      charged += more
    } else if count < charged / 2 || count < Self.step {
      let less = charged - count / Self.step * Self.step
      connection.release(less)
      charged -= less
    }
    return true
  }

  mutating func releaseAll() {
    guard charged > 0 else { return }
    connection.release(charged)
    charged = 0
  }
}
