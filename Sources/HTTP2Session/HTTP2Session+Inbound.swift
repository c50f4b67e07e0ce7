internal import CNghttp2
internal import NIOCore

// What the inbound callbacks do: turn frames into events. Everything here runs inside libnghttp2.
extension HTTP2Session {
  /// Counts a frame by what it makes this end do, unless it carries so much of a body that its own bytes limit how many of it
  /// can come.
  func frameBegan(type: UInt8, length: Int) {
    switch UInt32(type) {
    case NGHTTP2_DATA.rawValue where length >= configuration.uncountedDataLength: break
    case NGHTTP2_HEADERS.rawValue: frameTally.received += FrameTally.headersWeight
    case NGHTTP2_SETTINGS.rawValue where length > 0: frameTally.received += FrameTally.settingsWeight
    default: frameTally.received += 1
    }
  }

  func headersBegan() {
    fields = []
    fieldsSize = 0
  }

  /// Keeps one field, or rejects the block: RST_STREAM for this stream, while the HPACK state stays in step.
  func headerReceived(
    stream: Int32, name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>
  ) -> Int32 {
    fieldsSize += name.count + value.count + 32
    frameTally.received += (name.count + value.count) / FrameTally.fieldBytes
    guard fieldsSize <= configuration.maxHeaderListSize else {
      fields = []
      frameTally.received += FrameTally.tooLargeHeadersWeight
      emit(.headersTooLarge(HTTP2StreamID(rawValue: stream)))
      _ = nghttp2_submit_rst_stream(
        session, flags(NGHTTP2_FLAG_NONE), stream, HTTP2ErrorCode.enhanceYourCalm.rawValue)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    let isASCII = value.allSatisfy { $0 < 0x80 }
    guard isASCII || name.first != UInt8(ascii: ":") else {
      // No path, authority, scheme, method or status has such a byte (RFC 3986; RFC 9113, section 8.3): malformed.
      fields = []
      _ = nghttp2_submit_rst_stream(
        session, flags(NGHTTP2_FLAG_NONE), stream, HTTP2ErrorCode.protocolError.rawValue)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
    let text =
      isASCII
      ? String(decoding: value, as: UTF8.self)
      : String(String.UnicodeScalarView(value.lazy.map { $0 < 0x80 ? Unicode.Scalar($0) : "\u{FFFD}" }))
    fields.append(HTTP2Header(String(decoding: name, as: UTF8.self), text))
    return 0
  }

  func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) {
    let head = frame.pointee.hd
    let id = HTTP2StreamID(rawValue: head.stream_id)
    let endStream = head.flags & flags(NGHTTP2_FLAG_END_STREAM) != 0
    let isAcknowledgement = head.flags & flags(NGHTTP2_FLAG_ACK) != 0

    switch UInt32(head.type) {
    case NGHTTP2_HEADERS.rawValue:
      consecutiveEmptyFrames = 0
      headersReceived(id, category: frame.pointee.headers.cat, endStream: endStream)
    case NGHTTP2_DATA.rawValue:
      if endStream, let stream = streams[head.stream_id] {
        stream.remoteEnded = true
        emit(.endStream(id))
      } else if head.length == frame.pointee.data.padlen {
        // Nothing at all, or only padding.
        countEmptyFrame()
      } else {
        consecutiveEmptyFrames = 0
      }
    case NGHTTP2_RST_STREAM.rawValue:
      streams[head.stream_id]?.resetByPeer = true
      countReset()
    case NGHTTP2_SETTINGS.rawValue where !isAcknowledgement:
      emit(.settings)
    case NGHTTP2_PING.rawValue where isAcknowledgement:
      emit(.pingAcknowledged(withUnsafeBytes(of: frame.pointee.ping.opaque_data) { $0.load(as: UInt64.self) }))
    case NGHTTP2_GOAWAY.rawValue:
      let goAway = frame.pointee.goaway
      let debug = UnsafeBufferPointer(start: goAway.opaque_data, count: min(goAway.opaque_data_len, 1024))
      emit(
        .goAway(
          lastStream: HTTP2StreamID(rawValue: goAway.last_stream_id), HTTP2ErrorCode(rawValue: goAway.error_code),
          debug: String(decoding: debug, as: UTF8.self)))
    case NGHTTP2_PRIORITY.rawValue:
      countEmptyFrame()
    default:
      break
    }
  }

  private func headersReceived(_ id: HTTP2StreamID, category: nghttp2_headers_category, endStream: Bool) {
    let block = fields
    fields = []
    let kind: HTTP2HeaderKind
    if category == NGHTTP2_HCAT_REQUEST {
      kind = .request
      streams[id.rawValue] = StreamState(id: id)
    } else {
      // After an informational response libnghttp2 calls the final one plain HEADERS; trailers have no pseudo-fields.
      kind = block.first?.name.utf8.first == UInt8(ascii: ":") ? .response : .trailers
    }
    guard let stream = streams[id.rawValue] else { return }
    stream.remoteEnded = stream.remoteEnded || endStream
    emit(.headers(stream: id, kind: kind, fields: block, endStream: endStream))
  }

  func dataReceived(stream id: Int32, _ bytes: UnsafeRawBufferPointer) {
    guard let stream = streams[id], !stream.resetByUs else {
      _ = nghttp2_session_consume(session, id, bytes.count)
      return
    }
    stream.unconsumed += bytes.count
    emit(.data(stream: stream.id, slice(bytes)))
  }

  /// The received buffer's slice that `bytes` is; libnghttp2 passes body bytes where they lie. Were they ever elsewhere
  /// (it does not say they cannot be), they are copied.
  private func slice(_ bytes: UnsafeRawBufferPointer) -> ByteBuffer {
    if let start = bytes.baseAddress, let inputBase, start >= inputBase {
      let offset = start - inputBase
      if offset + bytes.count <= input.readableBytes,
        let slice = input.getSlice(at: input.readerIndex + offset, length: bytes.count)
      {
        return slice
      }
    }
    return ByteBuffer(bytes: bytes)
  }

  func streamClosed(_ id: Int32, code: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    // The application can no longer give these bytes back; without this the connection's window would shrink for good.
    if stream.unconsumed > 0 {
      _ = nghttp2_session_consume_connection(session, stream.unconsumed)
    }
    emit(.streamClosed(stream.id, HTTP2ErrorCode(rawValue: code), byPeer: stream.resetByPeer))
  }

  /// Frames that carry nothing cost us work and the peer nothing (CVE-2019-9518 is one form).
  private func countEmptyFrame() {
    consecutiveEmptyFrames += 1
    guard consecutiveEmptyFrames > configuration.maxConsecutiveEmptyFrames else { return }
    consecutiveEmptyFrames = 0
    terminate(.enhanceYourCalm, because: "too many frames that carry nothing")
  }

  /// A stream of the client ended in a reset, by either side.
  func countReset() {
    guard role == .server, !resetBudget.take(at: configuration.now()) else { return }
    terminate(.enhanceYourCalm, because: "too many streams ended in a reset")
  }

  /// Ends the session when what is being parsed has been parsed. Not at once: libnghttp2 goes on with the frame whose callback this
  /// is, and then with the next, and aborts the process (`assert`) if one of these is another reason to end.
  func terminate(_ code: HTTP2ErrorCode, because reason: String) {
    guard !isParsing else {
      verdict = verdict ?? (code, reason)
      return
    }
    diagnostic = reason
    _ = nghttp2_session_terminate_session(session, code.rawValue)
  }
}
