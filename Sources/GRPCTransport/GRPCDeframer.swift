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

  /// The length of the message that ``next()`` will return, if it is there whole.
  var wholeMessageLength: Int? {
    guard let length = pending.getInteger(at: pending.readerIndex + 1, as: UInt32.self),
      pending.readableBytes >= GRPCFraming.prefixLength + Int(length)
    else { return nil }
    return Int(length)
  }

  package mutating func append(_ bytes: ByteBuffer) {
    if pending.readableBytes == 0 {
      pending = bytes
      ownsPending = false
    } else if ownsPending {
      pending.writeImmutableBuffer(bytes)
    } else {
      var joined = ByteBufferAllocator().buffer(capacity: pending.readableBytes + bytes.readableBytes)
      joined.writeImmutableBuffer(pending)
      joined.writeImmutableBuffer(bytes)
      pending = joined
      ownsPending = true
    }
  }

  /// The next whole message, or nil until more bytes arrive.
  /// - Throws: the status that the call must end with: the message is too large, or compressed.
  package mutating func next() throws(GRPCStatus) -> ByteBuffer? {
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
    if pending.readableBytes == 0 { pending = ByteBuffer() }
    ownsPending = false
    return message
  }

  /// Gives up a large received buffer of which only a little is left: a peer must not be able to hold down more memory than it
  /// sends.
  mutating func compact() {
    guard !ownsPending, pending.readableBytes > 0, pending.readableBytes < pending.storageCapacity / 4 else { return }
    var copy = ByteBufferAllocator().buffer(capacity: pending.readableBytes)
    copy.writeImmutableBuffer(pending)
    pending = copy
    ownsPending = true
  }

  package mutating func removeAll() {
    pending = ByteBuffer()
    ownsPending = false
  }
}
