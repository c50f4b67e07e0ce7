internal import CNghttp2
public import NIOCore

/// How control bytes and shared slices interleave in one piece of output.
enum OutputSegment {
  /// The next so many bytes of `scratch`.
  case scratch(Int)
  case body(ByteBuffer)
}

extension HTTP2Session {
  /// Hands the bytes that are ready to `write`, in order, until about `limit` bytes are out (a frame is never split) or
  /// nothing is ready. Frame headers and control frames share one allocation; body slices are passed on uncopied,
  /// except small ones (``HTTP2SessionConfiguration/copyThreshold``).
  ///
  /// Streams may close here (the last frame went out), so drain ``nextEvent()`` afterwards.
  /// - Returns: the number of bytes written; 0 when nothing is ready.
  @discardableResult
  public func takeOutput(limit: Int, _ write: (ByteBuffer) -> Void) throws(HTTP2SessionError) -> Int {
    outputSize = 0
    outputLimit = limit
    scratch.begin()
    var failure: Int?
    while outputSize < limit {
      var pointer: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &pointer)
      guard count > 0, let pointer else {
        if count < 0 { failure = count }
        break
      }
      appendControl(UnsafeRawBufferPointer(start: pointer, count: count))
    }
    flushSegments(write)
    if let failure { throw sessionError(Int32(truncatingIfNeeded: failure)) }
    return outputSize
  }

  private func appendControl(_ bytes: UnsafeRawBufferPointer) {
    scratch.buffer.writeBytes(bytes)
    segmentScratchBytes += bytes.count
    outputSize += bytes.count
  }

  private func appendBody(_ slice: ByteBuffer) {
    if slice.readableBytes <= configuration.copyThreshold {
      slice.withUnsafeReadableBytes { appendControl($0) }
      return
    }
    if segmentScratchBytes > 0 {
      segments.append(.scratch(segmentScratchBytes))
      segmentScratchBytes = 0
    }
    segments.append(.body(slice))
    outputSize += slice.readableBytes
  }

  private func flushSegments(_ write: (ByteBuffer) -> Void) {
    // `scratch` is complete, so cutting it shares one storage, which the next output uses again if it has been written by
    // then.
    var control = scratch.buffer
    for segment in segments {
      switch segment {
      case .scratch(let count):
        if let slice = control.readSlice(length: count) { write(slice) }
      case .body(let slice):
        write(slice)
      }
    }
    segments.removeAll(keepingCapacity: segments.capacity <= 8)
    if control.readableBytes > 0 { write(control) }
    segmentScratchBytes = 0
    scratch.end()
  }

  // MARK: Inside libnghttp2

  /// Says how many body bytes the next DATA frame of a stream may carry, and whether they end the body.
  func offerBody(stream id: Int32, maximum: Int, dataFlags: inout UInt32) -> Int {
    guard let stream = streams[id] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    let count = min(maximum, stream.body.byteCount)
    if count == stream.body.byteCount {
      switch stream.ending {
      case .open, .handedOver:
        if count == 0 {
          stream.isDeferred = true
          return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
      case .endStream:
        stream.ending = .handedOver
        dataFlags |= NGHTTP2_DATA_FLAG_EOF.rawValue
      case .trailers(let fields):
        stream.ending = .handedOver
        dataFlags |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        _ = withNameValues(fields) { nghttp2_submit_trailer(session, id, $0, $1) }
      }
    }
    if count > 0 { dataFlags |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
    return count
  }

  /// Puts one DATA frame into the output: the header that libnghttp2 wrote, then the slices that it was promised.
  func sendData(stream id: Int32, header: UnsafeRawBufferPointer, length: Int, padding: Int) -> Int32 {
    guard let stream = streams[id], stream.body.byteCount >= length else {
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    frameTally.dataSent += 1
    stream.sentBytes &+= UInt64(length)
    appendControl(header)
    if padding > 0 { withUnsafeBytes(of: UInt8(truncatingIfNeeded: padding - 1)) { appendControl($0) } }
    var remaining = length
    while remaining > 0, let slice = stream.body.next(upTo: remaining) {
      remaining -= slice.readableBytes
      appendBody(slice)
    }
    if padding > 1 { [UInt8](repeating: 0, count: padding - 1).withUnsafeBytes { appendControl($0) } }
    if !stream.isWritable, stream.body.byteCount <= configuration.writeLowWatermark {
      stream.isWritable = true
      emit(.writable(stream.id))
    }
    return outputSize >= outputLimit ? NGHTTP2_ERR_PAUSE.rawValue : 0
  }

  func frameSent(_ frame: UnsafePointer<nghttp2_frame>) {
    let head = frame.pointee.hd
    switch UInt32(head.type) {
    case NGHTTP2_GOAWAY.rawValue where frame.pointee.goaway.error_code != HTTP2ErrorCode.noError.rawValue:
      emit(.terminated(HTTP2ErrorCode(rawValue: frame.pointee.goaway.error_code), reason: diagnostic))
    case NGHTTP2_RST_STREAM.rawValue where frame.pointee.rst_stream.error_code != HTTP2ErrorCode.noError.rawValue:
      countReset()
    case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
      // A server that has answered in full does not want the rest of the request (RFC 9113, section 8.1). Without
      // this reset the stream would stay half open for as long as the client likes.
      if role == .server, head.flags & flags(NGHTTP2_FLAG_END_STREAM) != 0,
        let stream = streams[head.stream_id], !stream.remoteEnded
      {
        _ = nghttp2_submit_rst_stream(
          session, flags(NGHTTP2_FLAG_NONE), head.stream_id, HTTP2ErrorCode.noError.rawValue)
      }
    default:
      break
    }
  }
}
