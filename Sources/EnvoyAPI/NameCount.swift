/// How many names a request carries, counted before it is decoded.
///
/// A name costs two bytes on the wire and a hundred in memory, and to decode a million of them takes an event loop 200 ms. To
/// count them takes some nanoseconds each.
extension DiscoveryRequest {
  /// Whether the request names more than `limit` resources. False for bytes that are no message; the decoder says what is wrong.
  public static func names(in bytes: UnsafeRawBufferPointer, exceed limit: Int) -> Bool {
    // resource_names
    fields(in: bytes, where: { $0 == 3 }, exceed: limit)
  }
}

extension DeltaDiscoveryRequest {
  /// Whether any of the request's lists (subscribe, unsubscribe, initial versions) is longer than `limit`. False for bytes that
  /// are no message; the decoder says what is wrong.
  public static func names(in bytes: UnsafeRawBufferPointer, exceed limit: Int) -> Bool {
    // All three together first, for that is almost always few.
    guard fields(in: bytes, where: { (3...5).contains($0) }, exceed: limit) else { return false }
    return (UInt64(3)...5).contains { number in fields(in: bytes, where: { $0 == number }, exceed: limit) }
  }
}

/// Walks the outermost fields of a message until there are more than `limit` of those looked for, or the bytes make no sense.
private func fields(
  in bytes: UnsafeRawBufferPointer, where isCounted: (UInt64) -> Bool, exceed limit: Int
) -> Bool {
  // A field takes two bytes at least.
  guard bytes.count / 2 > limit else { return false }
  var position = 0
  var count = 0
  func varint() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.count, shift < 70 {
      let byte = UInt64(bytes[position])
      position += 1
      value |= (byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }
  while position < bytes.count {
    guard let tag = varint() else { return false }
    switch tag & 7 {
    case 0: guard varint() != nil else { return false }
    case 1: position += 8
    case 2:
      guard let length = varint(), length <= UInt64(bytes.count - position) else { return false }
      position += Int(length)
    case 5: position += 4
    default: return false
    }
    guard position <= bytes.count else { return false }
    guard isCounted(tag >> 3), tag & 7 == 2 else { continue }
    count += 1
    if count > limit { return true }
  }
  return false
}
