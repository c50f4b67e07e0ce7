#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension Arena {
  /// A message with every field at its default.
  ///
  /// - Parameter initialise: the generated `…__init` function of the message.
  @inlinable @inline(__always)
  public func make<Message>(
    _ initialise: (UnsafeMutablePointer<Message>?) -> Void
  ) -> UnsafeMutablePointer<Message> {
    let message = allocate(byteCount: MemoryLayout<Message>.size).assumingMemoryBound(to: Message.self)
    initialise(message)
    return message
  }

  /// The string as C wants it. A C string cannot hold a zero byte, and to cut a name there would give another name, so each
  /// zero byte becomes U+FFFD: visibly wrong, and equal to no valid name.
  public func string(_ string: String) -> UnsafeMutablePointer<CChar> {
    if let copy = string.utf8.withContiguousStorageIfAvailable({ copyString($0) }) { return copy }
    var native = string
    return native.withUTF8 { copyString($0) }
  }

  @inline(__always)
  private func copyString(_ utf8: UnsafeBufferPointer<UInt8>) -> UnsafeMutablePointer<CChar> {
    let result = allocate(byteCount: utf8.count + 1).assumingMemoryBound(to: CChar.self)
    result[utf8.count] = 0
    guard let source = utf8.baseAddress else { return result }
    if memchr(source, 0, utf8.count) != nil { return stringReplacingNUL(utf8) }
    memcpy(result, source, utf8.count)
    return result
  }

  private func stringReplacingNUL(_ utf8: UnsafeBufferPointer<UInt8>) -> UnsafeMutablePointer<CChar> {
    string(String(decoding: utf8, as: UTF8.self).replacing("\0", with: "\u{FFFD}"))
  }

  /// A copy of the bytes.
  public func bytes(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutablePointer<UInt8> {
    let result = allocate(byteCount: bytes.count)
    if let source = bytes.baseAddress { memcpy(result, source, bytes.count) }
    return result.assumingMemoryBound(to: UInt8.self)
  }

  /// The array of a repeated field, with one element for each of `elements`.
  @inlinable @inline(__always)
  public func array<Elements: Collection, Element>(
    _ elements: Elements, _ convert: (Elements.Element) -> Element
  ) -> UnsafeMutablePointer<Element> {
    let result = allocate(byteCount: elements.count * MemoryLayout<Element>.stride)
      .assumingMemoryBound(to: Element.self)
    var next = result
    for element in elements {
      next.initialize(to: convert(element))
      next += 1
    }
    return result
  }
}
