package import HTTP2Transport
package import NIOCore

/// Cuts a stream of body bytes into messages, however these were split over DATA frames.
///
/// A message that lies whole in one received buffer is returned as a slice of it; only messages that straddle buffers
/// are copied together. Memory grows with bytes that have arrived, never with a length that was merely announced.
package struct GRPCDeframer {
  package let maxMessageSize: Int
  private var pending = ByteBuffer()
  /// Whether `pending` has storage of its own, which may be appended to without copying what is there.
  private var ownsPending = false

  package init(maxMessageSize: Int) {
    self.maxMessageSize = maxMessageSize
  }

  /// Bytes that are not yet part of a returned message.
  package var bufferedBytes: Int { pending.readableBytes }

  /// Bytes of the storage that they lie in.
  var capacity: Int { pending.storageCapacity }

  /// The length of the message that ``next()`` will return, if it is there whole.
  var wholeMessageLength: Int? {
    guard let length = pending.getInteger(at: pending.readerIndex + 1, as: UInt32.self),
      pending.readableBytes >= GRPCFraming.prefixLength + Int(length)
    else { return nil }
    return Int(length)
  }

  /// - Parameter storage: of large messages, if there is some to spare.
  package mutating func append(_ bytes: ByteBuffer, storage: MessageStorage? = nil) {
    if pending.readableBytes == 0 {
      pending = bytes
      ownsPending = false
    } else if needsRoom(for: bytes), let spare = storage?.take(for: pending.readableBytes + missing(bytes.readableBytes)) {
      own(in: spare)
      pending.writeImmutableBuffer(bytes)
    } else {
      if !ownsPending { own(roomFor: bytes.readableBytes) }
      if pending.writableBytes < bytes.readableBytes {
        pending.reserveCapacity(minimumWritableBytes: room(for: bytes.readableBytes))
      }
      pending.writeImmutableBuffer(bytes)
    }
  }

  /// Copies what is pending to a storage of its own.
  private mutating func own(roomFor count: Int) {
    own(in: ByteBufferAllocator().buffer(capacity: pending.readableBytes + room(for: count)))
  }

  private mutating func own(in storage: consuming ByteBuffer) {
    storage.writeImmutableBuffer(pending)
    pending = storage
    ownsPending = true
  }

  private func needsRoom(for bytes: ByteBuffer) -> Bool { !ownsPending || pending.writableBytes < bytes.readableBytes }

  /// How much to make room for when so much is to be added: a large message comes in dozens of pieces, and is not to be copied
  /// again for each doubling. But never for much more than has come.
  private func room(for count: Int) -> Int {
    max(count, min(missing(count), (pending.readableBytes + count) * Self.growth))
  }

  /// How much is still to come of the message that has begun, if its length is known and allowed; at least `count`.
  private func missing(_ count: Int) -> Int {
    guard let length = pending.getInteger(at: pending.readerIndex + 1, as: UInt32.self) else { return count }
    return max(count, GRPCFraming.prefixLength + min(Int(length), maxMessageSize) - pending.readableBytes)
  }

  /// Bytes that are made room for, for each that has come. With these, and rounded up to a power of two, the storage is up to eight
  /// times what has come. Pages that nothing was ever written to take no memory; those of storage that was in use before do.
  private static let growth = 3

  /// The next whole message, or nil until more bytes arrive.
  /// - Throws: the status that the call must end with: the message is too large, or compressed.
  ///
  /// - Parameter storage: what gets the memory of a large one, for the next.
  package mutating func next(leaving storage: MessageStorage? = nil) throws(GRPCStatus) -> ByteBuffer? {
    let start = pending.readerIndex
    guard let flag = pending.getInteger(at: start, as: UInt8.self),
      let length = pending.getInteger(at: start + 1, as: UInt32.self)
    else { return nil }
    guard flag == 0 else {
      throw flag == 1
        ? GRPCStatus(.unimplemented, "compressed messages are not supported")
        : GRPCStatus(.internal, "a message prefix with the unknown flag \(flag)")
    }
    guard Int(length) <= maxMessageSize else {
      throw GRPCStatus(.resourceExhausted, "a message of \(length) bytes; the limit is \(maxMessageSize)")
    }
    let total = GRPCFraming.prefixLength + Int(length)
    guard pending.readableBytes >= total else { return nil }
    pending.moveReaderIndex(forwardBy: GRPCFraming.prefixLength)
    let message = pending.readSlice(length: Int(length))
    if pending.readableBytes == 0 {
      if ownsPending { storage?.give(pending) }
      pending = ByteBuffer()
    }
    ownsPending = false
    return message
  }

  /// Gives up a large received buffer of which only a little is left: a peer must not be able to hold down more memory than it
  /// sends. And one in which a message has begun, which is copied when it goes on anyway, so that the next can be received into it.
  mutating func compact() {
    guard !ownsPending, pending.readableBytes > 0 else { return }
    if pending.readableBytes < pending.storageCapacity / 4 || room(for: 0) > 0 { own(roomFor: 0) }
  }

  package mutating func removeAll() {
    pending = ByteBuffer()
    ownsPending = false
  }
}
