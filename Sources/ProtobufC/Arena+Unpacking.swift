internal import CProtobufC

extension Arena {
  /// Decodes a message into the arena, after a check that makes libprotobuf-c safe to call (`WireCheck`).
  ///
  /// - Returns: a message of the generated struct of `type`, valid as long as the arena's other contents.
  /// - Complexity: linear in the bytes, twice: once to check, once to unpack.
  public func unpack(
    _ type: MessageType, from bytes: UnsafeRawBufferPointer, limits: DecodingLimits = .standard
  ) throws(ProtobufError) -> UnsafeMutableRawPointer {
    var check = WireCheck(bytes: bytes, limits: limits)
    try check.run(type)
    // Beyond the message itself libprotobuf-c takes room for a list of scanned fields (at most 64 bytes for each), and for
    // arrays joined anew where a field that may come once comes several times. The latter grows with the square of the
    // repetitions, so it has a limit of its own here.
    unpackingBudget = 4 * check.memory + 64 * check.elementCount + DecodingLimits.unquestionedMemory
    var allocator = ProtobufCAllocator(
      alloc: allocateForUnpacking, free: { _, _ in }, allocator_data: Unmanaged.passUnretained(self).toOpaque())
    let message = protobuf_c_message_unpack(
      type.descriptor, &allocator, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    guard let message else {
      throw unpackingBudget < 0
        ? ProtobufError(code: .tooLarge, message: "\(type.name) takes more memory than its fields account for")
        : ProtobufError(code: .refused, message: "libprotobuf-c refuses \(type.name)")
    }
    return UnsafeMutableRawPointer(message)
  }
}

/// `ProtobufCAllocator.alloc`. Null makes libprotobuf-c give up cleanly.
private func allocateForUnpacking(_ arena: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
  guard let arena else { return nil }
  // The arena is alive: `unpack` holds it while libprotobuf-c runs.
  return Unmanaged<Arena>.fromOpaque(arena)._withUnsafeGuaranteedRef { arena in
    guard arena.unpackingBudget >= 0 else { return nil }
    arena.unpackingBudget -= size
    return arena.unpackingBudget >= 0 ? arena.allocate(byteCount: size) : nil
  }
}
