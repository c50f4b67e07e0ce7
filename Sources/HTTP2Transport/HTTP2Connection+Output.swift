#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif
internal import HTTP2Session
internal import NIOCore

// What leaves. Most of it is small: a push of one changed resource, an acknowledgement of SETTINGS. Through a channel that costs
// half as much again as the system call, in looks at cold memory of a thousand connections. So output that is one piece
// goes to the socket at once, where this end knows the socket. All else, and what the socket does not take, goes through the channel,
// and until that is written nothing passes it.
extension HTTP2Connection {
  /// Bytes handed to the socket at a time on a loop that is to give way to everybody: nothing interrupts a system call.
  private static let batchServedLast = 64 << 10

  /// Lets what the session has to say leave now, unless the end of the current read does that.
  func flushNow() {
    if !isReading { flush() }
  }

  /// Sees to it that what the session has to say leaves: at the end of the current read, or else of the current tick.
  func scheduleFlush() {
    guard !isReading, !isFlushing, !isFlushScheduled, isStarted, !isClosed, let context else { return }
    isFlushScheduled = true
    context.eventLoop.assumeIsolatedUnsafeUnchecked().execute { [self] in
      isFlushScheduled = false
      flush()
    }
  }

  func flush() {
    guard !isFlushing, isStarted, !isClosed, let context else { return }
    isFlushing = true
    let batch = turns?.isServedLast == true ? Self.batchServedLast : configuration.writeBatch
    do {
      while !isClosed, isChannelWritable {
        var count = 0
        if session.wantsWrite {
          count = try takeOutput(batch, context)
        }
        // Told events can cause more output, also when this round had none. Without any, less than a batch was all.
        let toldAny = drainEvents()
        guard count >= batch || toldAny else { break }
      }
    } catch {
      isFlushing = false
      closeNow(HTTP2ConnectionError(.sessionFailed, "\(error)", cause: error))
      return
    }
    isFlushing = false
    if !isClosed, !isClosing, !session.isAlive {
      closeWhenWritten(HTTP2ConnectionError(.closedLocally, "the connection was drained"))
    }
  }

  /// Takes what is ready from the session, about a batch, and writes it. Returns how many bytes that were.
  private func takeOutput(_ batch: Int, _ context: ChannelHandlerContext) throws -> Int {
    var isLeftToChannel = false
    let count = try session.takeOutput(limit: batch) { buffer in
      var buffer = buffer
      if let socket, backlog == 0, !isLeftToChannel, buffer.readableBytes == session.outputSize {
        buffer.moveReaderIndex(forwardBy: Self.send(buffer, to: socket))
        if buffer.readableBytes == 0 { return }
      }
      isLeftToChannel = true
      context.write(wrapOutboundOut(buffer), promise: nil)
    }
    guard isLeftToChannel else { return count }
    if socket != nil {
      backlog += 1
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolatedUnsafeUnchecked().whenComplete { [self] _ in backlog -= 1 }
      context.write(wrapOutboundOut(ByteBuffer()), promise: written)
    }
    context.flush()
    return count
  }

  /// How many bytes the socket takes now. If it has failed, none: the channel will find the same error, and close.
  private static func send(_ buffer: ByteBuffer, to socket: CInt) -> Int {
    buffer.withUnsafeReadableBytes {
      // As the system call that it is: nobody is to be signalled of a peer that has gone.
      max(0, systemSend(socket, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)))
    }
  }
}

private func systemSend(_ socket: CInt, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: CInt) -> Int {
  send(socket, bytes, count, flags)
}
