#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A key's own bits, for keys of one hash.
///
/// XXH3 is public and made for speed: texts of one hash are found at once, and names come from clients and from whoever may
/// write a manifest. So a hash decides nothing alone. The bits are numbered on from those of the hash; each byte has nine: one
/// that says that it is there, then its own, the highest first. No key's bits are the beginning of another's.
@usableFromInline enum KeyBits {
  /// Whether the bytes are the same. Swift takes texts for equal that differ in how their marks are written; a proxy does not.
  @usableFromInline static func areEqual(_ a: String, _ b: String) -> Bool {
    guard a.utf8.count == b.utf8.count else { return false }
    return withBytes(a, b) { a, b in a.isEmpty || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0 }
  }

  /// By bytes, a key before what it is the beginning of: the order of `isSet`.
  @usableFromInline static func isBefore(_ a: String, _ b: String) -> Bool {
    withBytes(a, b) { $0.lexicographicallyPrecedes($1) }
  }

  /// The first bit that differs; `Int32.max` if none does.
  @usableFromInline static func firstDifference(_ a: String, _ b: String) -> Int32 {
    withBytes(a, b) { a, b in
      let shared = min(a.count, b.count)
      var index = 0
      while index < shared, a[index] == b[index] { index += 1 }
      if index == shared { return a.count == b.count ? .max : bit(ofByte: index) }
      return bit(ofByte: index) + 1 + Int32((a[index] ^ b[index]).leadingZeroBitCount)
    }
  }

  @usableFromInline static func isSet(_ bit: Int32, of key: String) -> Bool {
    let (index, bitOfByte) = Int(bit - ContentHash.bitCount).quotientAndRemainder(dividingBy: 9)
    var key = key
    return key.withUTF8 { bytes in
      guard index < bytes.count else { return false }
      return bitOfByte == 0 || bytes[index] >> UInt8(8 - bitOfByte) & 1 == 1
    }
  }

  private static func bit(ofByte index: Int) -> Int32 { ContentHash.bitCount + Int32(truncatingIfNeeded: index * 9) }

  private static func withBytes<Result>(
    _ a: String, _ b: String, _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    var (a, b) = (a, b)
    return a.withUTF8 { a in b.withUTF8 { b in body(a, b) } }
  }
}
