/// What the client has done with its streams, from its frame headers alone: whether it uses a stream that it has ended or
/// reset itself, or one that it skipped (RFC 9113, sections 5.1 and 5.1.1). libnghttp2 forgets a stream when it closes, and
/// ignores what comes for it afterwards; so it does for streams that *this* end has reset, where the peer may not know yet,
/// and there it is right.
///
///     24 bytes of preface ──▶ header (9 bytes) ──▶ payload (skipped) ──┐
///                               ▲──────────────────────────────────────┘
///
/// Costs a few comparisons a frame, and nothing for payloads. What is remembered is bounded: a peer that misuses a stream
/// from long ago is ignored as before.
struct PeerStreams {
  private var prefaceLeft = 24
  private var payloadLeft = 0
  private var isInBody = false
  private var header: (bytes: (UInt64, UInt8), count: Int) = ((0, 0), 0)
  private var isOver = false
  private var highest: UInt32 = 0
  /// Streams that the peer ended or reset; the oldest is overwritten.
  private var ended: [UInt32] = []
  private var oldestEnded = 0
  /// Streams that the peer can no longer open, for it has opened a later one.
  private var skipped: [ClosedRange<UInt32>] = []

  static let rememberedStreams = 64
  static let rememberedGaps = 8

  /// How much of a DATA frame is to come that has begun.
  var bodyAhead: Int { isInBody && header.count == 0 ? payloadLeft : 0 }

  /// How many of the bytes that come next are of DATA frames with at least so much in them, one after another, their headers
  /// included: the rest of one, and those behind it of one stream, for what several have sent may be as many requests. O(frames).
  func bodyAhead(in bytes: UnsafeRawBufferPointer, least: Int) -> Int {
    guard prefaceLeft == 0, header.count == 0, isInBody || payloadLeft == 0 else { return 0 }
    var position = payloadLeft
    var first: UInt32?
    while bytes.count - position >= 9, bytes[position + 3] == 0 {
      let length = Int(bytes[position]) << 16 | Int(bytes[position + 1]) << 8 | Int(bytes[position + 2])
      let stream = bytes.loadUnaligned(fromByteOffset: position + 5, as: UInt32.self)
      guard length >= least, first ?? stream == stream else { break }
      first = stream
      position += 9 + length
    }
    return min(position, bytes.count)
  }

  /// The first violation in the bytes: where its frame begins in them (0 if before), and the code of the connection error.
  /// That is the end: the connection has to end with it, and bytes after it are not looked at.
  /// - Parameter seen: told of every frame, also of those that libnghttp2 passes over in silence (unknown types, and whatever
  ///   comes for a stream that has closed).
  mutating func firstViolation(
    in bytes: UnsafeRawBufferPointer, seen: (_ type: UInt8, _ length: Int) -> Void
  ) -> (offset: Int, code: HTTP2ErrorCode)? {
    guard !isOver else { return nil }
    var position = 0
    while position < bytes.count {
      let skip = min(max(prefaceLeft, payloadLeft), bytes.count - position)
      if skip > 0 {
        if prefaceLeft > 0 { prefaceLeft -= skip } else { payloadLeft -= skip }
        position += skip
        continue
      }
      let start = position
      while header.count < 9, position < bytes.count {
        if header.count < 8 {
          header.bytes.0 = header.bytes.0 << 8 | UInt64(bytes[position])
        } else {
          header.bytes.1 = bytes[position]
        }
        header.count += 1
        position += 1
      }
      guard header.count == 9 else { return nil }
      let (first, last) = header.bytes
      header.count = 0
      payloadLeft = Int(first >> 40)
      let stream = (UInt32(truncatingIfNeeded: first) & 0x7f_ffff) << 8 | UInt32(last)
      let type = UInt8(truncatingIfNeeded: first >> 32)
      isInBody = type == 0
      seen(type, payloadLeft)
      let code = frame(
        type: type, flags: UInt8(truncatingIfNeeded: first >> 24), stream: stream)
      if let code {
        isOver = true
        return (start, code)
      }
    }
    return nil
  }

  private mutating func frame(type: UInt8, flags: UInt8, stream: UInt32) -> HTTP2ErrorCode? {
    let (data, headers, reset, windowUpdate): (UInt8, UInt8, UInt8, UInt8) = (0, 1, 3, 8)
    // Streams of even numbers and stream 0 are libnghttp2's to judge, as are all frames of other types.
    guard stream % 2 == 1, type == data || type == headers || type == reset || type == windowUpdate else { return nil }
    if type == headers, stream > highest {
      if stream > highest + 2 { remember(gap: (highest == 0 ? 1 : highest + 2)...(stream - 2)) }
      highest = stream
    } else if !skipped.isEmpty, skipped.contains(where: { $0.contains(stream) }) {
      return .protocolError
    }
    let hasEnded = ended.contains(stream)
    switch type {
    case data, headers:
      if hasEnded { return .streamClosed }
      if flags & 0x1 != 0, stream <= highest { remember(ended: stream) }
    case reset:
      if !hasEnded, stream <= highest { remember(ended: stream) }
    default: break
    }
    return nil
  }

  private mutating func remember(ended stream: UInt32) {
    guard ended.count == Self.rememberedStreams else {
      ended.append(stream)
      return
    }
    ended[oldestEnded] = stream
    oldestEnded = (oldestEnded + 1) % ended.count
  }

  private mutating func remember(gap: ClosedRange<UInt32>) {
    if skipped.count == Self.rememberedGaps { skipped.removeFirst() }
    skipped.append(gap)
  }
}
