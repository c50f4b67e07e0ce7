internal import ProtobufC

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
  var fields = WireFields(bytes)
  var count = 0
  while let field = fields.next() {
    guard field.payload != nil, isCounted(field.number) else { continue }
    count += 1
    if count > limit { return true }
  }
  return false
}
