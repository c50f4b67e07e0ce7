/// What a body of length-prefixed messages says, read in one go: the simplest reader that can be right.
struct ReferenceFraming {
  enum Ending: Equatable {
    /// So many bytes of a message that is not whole.
    case waiting(Int)
    case compressed
    case unknownFlag
    case tooLarge
  }

  private(set) var messages: [[UInt8]] = []
  private(set) var ending = Ending.waiting(0)

  init(_ body: [UInt8], maximum: Int) {
    var position = 0
    while true {
      let left = body.count - position
      guard left >= 5 else {
        ending = .waiting(left)
        return
      }
      let length = body[position + 1..<position + 5].reduce(0) { $0 << 8 | Int($1) }
      switch body[position] {
      case 0: break
      case 1: ending = .compressed; return
      default: ending = .unknownFlag; return
      }
      guard length <= maximum else {
        ending = .tooLarge
        return
      }
      guard left >= 5 + length else {
        ending = .waiting(left)
        return
      }
      messages.append(Array(body[position + 5..<position + 5 + length]))
      position += 5 + length
    }
  }
}
