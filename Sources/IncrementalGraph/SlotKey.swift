/// A key of a collection. A full build hashes millions of keys, so those that come in numbers bring a hash that is cheaper than
/// Swift's own.
public protocol SlotKey: Hashable {
  /// The same for equal keys. A `KeyIndex` draws the seed for itself, so which keys collide is not known beforehand.
  func slotHash(seed: UInt64) -> UInt64
  /// How events and violations name it. That of an input's key is taken apart again to name an object, so it is
  /// `NAMESPACE/NAME`, or the name alone of what has no namespace.
  var eventName: String { get }
}

extension SlotKey {
  @inlinable public func slotHash(seed: UInt64) -> UInt64 { UInt64(bitPattern: Int64(hashValue)) }
  @inlinable public var eventName: String { String(describing: self) }
}

extension SlotKey where Self: CustomStringConvertible {
  // Without looking for a conformance at run time, as Swift does for what may have none.
  @inlinable public var eventName: String { description }
}

extension Int: SlotKey {}
extension UInt16: SlotKey {}

extension String: SlotKey {
  /// Of the bytes of ASCII texts, 16 at a time, by the folded product of what is read and what came before (as wyhash does).
  /// Other texts may be equal with other bytes; those take Swift's own hash.
  @inlinable public func slotHash(seed: UInt64) -> UInt64 {
    let hash = utf8.withContiguousStorageIfAvailable { TextHash.ofASCII($0, seed: seed) }
    return (hash ?? nil) ?? UInt64(bitPattern: Int64(hashValue))
  }
}

@usableFromInline enum TextHash {
  private static let multiplier: UInt64 = 0xA076_1D64_78BD_642F
  private static let otherMultiplier: UInt64 = 0xE703_7ED1_A0B4_28DB
  private static let highBits: UInt64 = 0x8080_8080_8080_8080

  /// Nil if the text is not ASCII. O(length).
  @usableFromInline static func ofASCII(_ text: UnsafeBufferPointer<UInt8>, seed: UInt64) -> UInt64? {
    let count = text.count
    guard count > 0, let start = UnsafeRawPointer(text.baseAddress) else { return mixed(seed, multiplier) }
    func word(_ offset: Int) -> UInt64 { start.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
    func half(_ offset: Int) -> UInt64 { UInt64(start.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    // Spread, so that it does not undo a difference of characters.
    var hash = seed ^ UInt64(count) &* multiplier
    var (first, second): (UInt64, UInt64)
    var seen: UInt64 = 0
    if count >= 8 {
      var offset = 0
      while count - offset > 16 {
        let (a, b) = (word(offset), word(offset + 8))
        seen |= a | b
        hash = mixed(a ^ multiplier, b ^ hash)
        offset += 16
      }
      // The last words, though they may overlap with what was read.
      (first, second) = (count >= 16 ? word(count - 16) : word(0), word(count - 8))
    } else if count >= 4 {
      (first, second) = (half(0), half(count - 4))
    } else {
      (first, second) = (UInt64(text[0]) | UInt64(text[count / 2]) << 8, UInt64(text[count - 1]))
    }
    seen |= first | second
    return seen & highBits == 0 ? mixed(first ^ otherMultiplier, second ^ hash) : nil
  }

  /// The halves of the product, folded into one.
  private static func mixed(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}
