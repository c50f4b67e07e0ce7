internal import CXXHash

/// A 128-bit hash of content (XXH3). Equal input gives an equal hash in every process and on every machine, so a version
/// survives a restart and is the same in another replica. It guards against accident, not against forgery.
@frozen
public struct ContentHash: Sendable, Hashable {
  public let high: UInt64
  public let low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The hash of some bytes; about 10 GB/s for long input.
  public init(_ bytes: UnsafeRawBufferPointer) {
    let hash = XXH3_128bits(bytes.baseAddress, bytes.count)
    self.init(high: hash.high64, low: hash.low64)
  }

  public init(_ bytes: [UInt8]) {
    self = bytes.withUnsafeBytes { ContentHash($0) }
  }

  /// The hash of a text's UTF-8 bytes.
  public init(text: String) {
    var text = text
    self = text.withUTF8 { ContentHash(UnsafeRawBufferPointer($0)) }
  }

  /// The hash of two hashes in this order.
  public init(_ a: ContentHash, _ b: ContentHash) {
    self = withUnsafeBytes(of: (a.high, a.low, b.high, b.low)) { ContentHash($0) }
  }

  /// The hash of three hashes in this order; a node of a tree of hashes.
  public init(_ a: ContentHash, _ b: ContentHash, _ c: ContentHash) {
    self = withUnsafeBytes(of: (a.high, a.low, b.high, b.low, c.high, c.low)) { ContentHash($0) }
  }

  /// The hash of nothing.
  public static let empty = ContentHash(high: 0, low: 0)

  /// 32 hexadecimal digits: the version string on the wire.
  public var text: String {
    String(unsafeUninitializedCapacity: 32) { buffer in
      var index = 0
      for word in [high, low] {
        for shift in stride(from: 60, through: 0, by: -4) {
          let digit = UInt8(truncatingIfNeeded: word >> UInt64(shift)) & 15
          buffer[index] = digit < 10 ? 48 + digit : 87 + digit
          index += 1
        }
      }
      return 32
    }
  }
}

extension ContentHash: CustomStringConvertible {
  public var description: String { text }
}

/// A hash as a position in a tree: a sequence of bits, the highest first.
extension ContentHash {
  @inlinable static var bitCount: Int32 { 128 }

  @inlinable subscript(bit: Int32) -> Bool {
    @inline(__always) get { (bit < 64 ? high >> UInt64(63 - bit) : low >> UInt64(127 - bit)) & 1 == 1 }
  }

  /// The same for a key's position: past the bits of its hash come its own, and only then is there need of it.
  @inlinable @inline(__always) func isSet(_ bit: Int32, _ key: @autoclosure () -> String) -> Bool {
    bit < Self.bitCount ? self[bit] : KeyBits.isSet(bit, of: key())
  }

  /// The first bit that differs; `bitCount` if none does.
  @inlinable func firstDifference(from other: ContentHash) -> Int32 {
    let difference = high ^ other.high
    if difference != 0 { return Int32(truncatingIfNeeded: difference.leadingZeroBitCount) }
    return 64 + Int32(truncatingIfNeeded: (low ^ other.low).leadingZeroBitCount)
  }

  @inlinable func isBefore(_ other: ContentHash) -> Bool {
    high != other.high ? high < other.high : low < other.low
  }
}
