internal import CNghttp2
public import NIOCore

// What the owner asks of the session. Commands about a stream that has closed are ignored: the owner may not have seen
// its last event yet.
extension HTTP2Session {
  /// Opens a stream (client). If the peer's stream limit is reached the request waits inside the session.
  /// - Parameter endStream: true when there is no body.
  public func openStream(_ fields: [HTTP2Header], endStream: Bool) throws(HTTP2SessionError) -> HTTP2StreamID {
    let result = withNameValues(fields) { pairs, count in
      withBodyProvider(unless: endStream) { nghttp2_submit_request(session, nil, pairs, count, $0, nil) }
    }
    try check(result)
    let stream = StreamState(id: HTTP2StreamID(rawValue: result))
    stream.hasBody = !endStream
    if endStream { stream.ending = .handedOver }
    streams[result] = stream
    return stream.id
  }

  /// Sends the response's head (server), once for each stream. With `endStream` the response is complete.
  public func respond(_ fields: [HTTP2Header], on id: HTTP2StreamID, endStream: Bool) {
    guard let stream = streams[id.rawValue], !stream.hasBody, case .open = stream.ending else { return }
    stream.hasBody = !endStream
    if endStream { stream.ending = .handedOver }
    _ = withNameValues(fields) { pairs, count in
      withBodyProvider(unless: endStream) { nghttp2_submit_response(session, id.rawValue, pairs, count, $0) }
    }
  }

  /// Appends body bytes, which are sent as the peer's window allows. The buffer is shared, never copied or changed.
  /// - Returns: whether this write made the stream unwritable: it rose above the high mark, and
  ///   ``HTTP2Event/writable(_:)`` will follow.
  @discardableResult
  public func write(_ bytes: ByteBuffer, on id: HTTP2StreamID) -> Bool {
    guard let stream = streams[id.rawValue], case .open = stream.ending, stream.hasBody else { return false }
    stream.body.append(bytes)
    resume(stream)
    guard stream.isWritable, stream.body.byteCount > configuration.writeHighWatermark else { return false }
    stream.isWritable = false
    return true
  }

  /// Ends this side's body with END_STREAM on its last DATA frame.
  public func end(_ id: HTTP2StreamID) {
    guard let stream = streams[id.rawValue], case .open = stream.ending, stream.hasBody else { return }
    stream.ending = .endStream
    resume(stream)
  }

  /// Ends this side's body with trailers, after all body bytes.
  public func end(_ id: HTTP2StreamID, trailers: [HTTP2Header]) {
    guard let stream = streams[id.rawValue], case .open = stream.ending, stream.hasBody else { return }
    stream.ending = .trailers(trailers)
    resume(stream)
  }

  /// Ends the stream at once with RST_STREAM; queued body is dropped. ``HTTP2Event/streamClosed(_:_:byPeer:)`` follows
  /// when the frame is out; body received until then is discarded.
  public func reset(_ id: HTTP2StreamID, _ code: HTTP2ErrorCode) {
    guard let stream = streams[id.rawValue], !stream.resetByUs else { return }
    stream.resetByUs = true
    stream.body.removeAll()
    stream.ending = .handedOver
    _ = nghttp2_submit_rst_stream(session, flags(NGHTTP2_FLAG_NONE), id.rawValue, code.rawValue)
  }

  /// Gives the peer back the window of body bytes that the application is done with. WINDOW_UPDATE frames go out once
  /// half a window has been given back, not for each call.
  public func consume(_ count: Int, on id: HTTP2StreamID) {
    guard count > 0, let stream = streams[id.rawValue] else { return }
    let credited = min(count, stream.unconsumed)
    stream.unconsumed -= credited
    _ = nghttp2_session_consume(session, id.rawValue, credited)
  }

  /// Body bytes accepted and not yet sent on a stream; 0 if it is gone.
  public func bufferedBytes(on id: HTTP2StreamID) -> Int { streams[id.rawValue]?.body.byteCount ?? 0 }

  /// Whether the body queue of a stream is below its marks; true if the stream is gone.
  public func isWritable(_ id: HTTP2StreamID) -> Bool { streams[id.rawValue]?.isWritable ?? true }

  /// Body bytes of a stream that have been handed to the output since it opened, if it waits for its peer: its queue is
  /// above the low mark, or all that is left of it is a queue. Nil for every other stream.
  public func sentBytesOfWaiting(_ id: HTTP2StreamID) -> UInt64? {
    guard let stream = streams[id.rawValue], stream.body.byteCount > 0 else { return nil }
    if case .open = stream.ending, stream.isWritable { return nil }
    return stream.sentBytes
  }

  /// Sends a PING; its answer is ``HTTP2Event/pingAcknowledged(_:)`` with the same payload.
  public func ping(_ payload: UInt64) {
    withUnsafeBytes(of: payload) { bytes in
      _ = nghttp2_submit_ping(
        session, flags(NGHTTP2_FLAG_NONE), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// Warns the peer that a GOAWAY will follow, without refusing streams on their way (RFC 9113, section 6.8). Server only.
  public func announceShutdown() {
    _ = nghttp2_submit_shutdown_notice(session)
  }

  /// Sends GOAWAY: streams that were accepted finish, new ones are refused, then the session is no longer alive.
  public func goAway(_ code: HTTP2ErrorCode = .noError) {
    let last = nghttp2_session_get_last_proc_stream_id(session)
    _ = nghttp2_submit_goaway(session, flags(NGHTTP2_FLAG_NONE), last, code.rawValue, nil, 0)
  }

  /// Sends GOAWAY and gives up all streams: the session is no longer alive when the frame is out.
  public func terminate(_ code: HTTP2ErrorCode) {
    _ = nghttp2_session_terminate_session(session, code.rawValue)
  }

  /// libnghttp2 copies the provider; its `source` is unused because bodies are found by stream number.
  private func withBodyProvider(
    unless bodyless: Bool, _ body: (UnsafePointer<nghttp2_data_provider>?) -> Int32
  ) -> Int32 {
    guard !bodyless else { return body(nil) }
    var provider = nghttp2_data_provider()
    provider.read_callback = onReadBody
    return withUnsafePointer(to: provider) { body($0) }
  }

  private func resume(_ stream: StreamState) {
    guard stream.isDeferred else { return }
    stream.isDeferred = false
    _ = nghttp2_session_resume_data(session, stream.id.rawValue)
  }
}
