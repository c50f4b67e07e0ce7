internal import CNghttp2

/// Calls `body` with the fields as libnghttp2 name-value pairs.
///
/// All bytes lie in one array that lives for the call only; libnghttp2 copies them (no NO_COPY flag is set), so nothing
/// borrowed survives `body`.
func withNameValues<Result>(
  _ fields: [HTTP2Header],
  _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result
) -> Result {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count })
  for field in fields {
    bytes.append(contentsOf: field.name.utf8)
    bytes.append(contentsOf: field.value.utf8)
  }
  return bytes.withUnsafeMutableBufferPointer { storage in
    // An empty array has no base address; libnghttp2 accepts null pointers with length 0.
    var cursor = storage.baseAddress
    let pairs = fields.map { field in
      let nameLength = field.name.utf8.count
      let valueLength = field.value.utf8.count
      let name = cursor
      let value = cursor.map { $0 + nameLength }
      cursor = value.map { $0 + valueLength }
      return nghttp2_nv(
        name: name, value: value, namelen: nameLength, valuelen: valueLength,
        flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
    }
    return pairs.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
  }
}
