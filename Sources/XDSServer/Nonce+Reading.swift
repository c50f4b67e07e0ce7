extension Nonce {
  /// Reads `text` back; nil for bytes that are no nonce's text.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count <= 31 else { return nil }
    let dot = bytes.firstIndex(of: UInt8(ascii: "."))
    guard let generation = Self.number(bytes[..<(dot ?? bytes.count)]) else { return nil }
    guard let dot else {
      self.init(generation: generation)
      return
    }
    guard let count = Self.number(bytes[(dot + 1)...]), let repetition = UInt32(exactly: count), repetition > 0 else {
      return nil
    }
    self.init(generation: generation, repetition: repetition)
  }

  /// Decimal, as this process writes it: no sign, no leading zero.
  private static func number(_ digits: Slice<UnsafeRawBufferPointer>) -> UInt64? {
    guard let first = digits.first, first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
    var value: UInt64 = 0
    for digit in digits {
      guard digit >= 48, digit <= 57 else { return nil }
      let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = product.addingReportingOverflow(UInt64(digit - 48))
      guard !isTooLarge, !overflow else { return nil }
      value = sum
    }
    return value
  }
}
