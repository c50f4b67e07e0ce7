package import HTTP2Transport
package import NIOCore

/// Cuts a stream of body bytes into messages, however these were split over DATA frames.
///
/// A message that lies whole in one received buffer is returned as a slice of it; only messages that straddle buffers
/// are copied together. Memory grows with bytes that have arrived, never with a length that was merely announced.
package struct GRPCDeframer {
  package let maxMessageSize: Int
  private var pending = ByteBuffer()
  /// Whether `pending` has storage that was made here, and not a buffer that was received.
  private var hasOwnStorage = false
  /// Whether that may be appended to without copying what is there: nobody has a message in it.
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

  /// Whether a long message has begun, and is not there whole.
  var isInLongMessage: Bool {
    let missing = missing(0)
    return missing > 0
      && pending.readableBytes + missing > GRPCFraming.prefixLength + ConnectionCalls.largeMessage
  }

  /// - Parameter storage: of large messages: what there is to spare of it is used, and what is not needed here any more goes there.
  package mutating func append(_ bytes: ByteBuffer, storage: MessageStorage? = nil) {
    guard pending.readableBytes > 0 else {
      pending = bytes
      (hasOwnStorage, ownsPending) = (false, false)
      return
    }
    if !ownsPending || pending.writableBytes < bytes.readableBytes { makeRoom(for: bytes.readableBytes, storage) }
    pending.writeImmutableBuffer(bytes)
  }

  /// Sees to it that what is pending lies in a storage of its own that has room for so much more.
  private mutating func makeRoom(for count: Int, _ storage: MessageStorage?) {
    let limit = (pending.readableBytes + count) * Self.most
    if let spare = storage?.take(for: pending.readableBytes + missing(count), atMost: limit) {
      return move(to: spare, leaving: storage)
    }
    let isWorthKeeping = storage != nil && isInLongMessage && limit >= MessageStorage.least
    if ownsPending, !isWorthKeeping {
      // Without a copy, if the system has room behind it.
      return pending.reserveCapacity(minimumWritableBytes: room(for: count))
    }
    let capacity = pending.readableBytes + room(for: count)
    move(
      to: ByteBufferAllocator().buffer(capacity: isWorthKeeping ? max(MessageStorage.least, capacity) : capacity),
      leaving: storage)
  }

  private mutating func move(to buffer: consuming ByteBuffer, leaving storage: MessageStorage?) {
    buffer.writeImmutableBuffer(pending)
    leave(storage)
    pending = buffer
    (hasOwnStorage, ownsPending) = (true, true)
  }

  private func leave(_ storage: MessageStorage?) {
    if hasOwnStorage { storage?.give(pending) }
  }

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

  /// The storage is at most so many times what has come.
  private static let most = 16

  /// Bytes that are made room for, for each that has come. With these, and rounded up to a power of two, the storage is up to eight
  /// times what has come. Pages that nothing was ever written to take no memory; those of storage that was in use before do.
  private static let growth = 3

  /// The next whole message, or nil until more bytes arrive.
  /// - Throws: the status that the call must end with: the message is too large, or compressed.
  ///
  /// - Parameter storage: as for ``append(_:storage:)``.
  package mutating func next(storage: MessageStorage? = nil) throws(GRPCStatus) -> ByteBuffer? {
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
    ownsPending = false
    if pending.readableBytes == 0 {
      leave(storage)
      removeAll()
    }
    return message
  }

  /// Gives up a large received buffer of which only a little is left: a peer must not be able to hold down more memory than it
  /// sends. And one in which a message has begun, which is copied when it goes on anyway, so that the next can be received into it.
  ///
  /// - Parameter storage: as for ``append(_:storage:)``.
  mutating func compact(storage: MessageStorage? = nil) {
    guard !ownsPending, pending.readableBytes > 0 else { return }
    if pending.readableBytes < pending.storageCapacity / 4 || room(for: 0) > 0 { makeRoom(for: 0, storage) }
  }

  package mutating func removeAll() {
    pending = ByteBuffer()
    (hasOwnStorage, ownsPending) = (false, false)
  }
}
