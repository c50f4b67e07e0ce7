internal import CNghttp2

/// Allocates the libnghttp2 session with its callback table and options, both of which it copies; nil when out of memory.
func makeNghttp2Session(role: HTTP2Role, configuration: HTTP2SessionConfiguration) -> OpaquePointer? {
  var callbacks: OpaquePointer?
  guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { return nil }
  defer { nghttp2_session_callbacks_del(callbacks) }
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
  nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, onInvalidFrame)
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
  nghttp2_session_callbacks_set_send_data_callback(callbacks, onSendData)
  nghttp2_session_callbacks_set_error_callback2(callbacks, onDiagnostic)

  var options: OpaquePointer?
  guard nghttp2_option_new(&options) == 0, let options else { return nil }
  defer { nghttp2_option_del(options) }
  nghttp2_option_set_no_auto_window_update(options, 1)
  nghttp2_option_set_no_closed_streams(options, 1)
  nghttp2_option_set_max_outbound_ack(options, configuration.maxOutboundAcknowledgements)
  nghttp2_option_set_max_settings(options, configuration.maxSettingsEntries)
  nghttp2_option_set_max_reserved_remote_streams(options, 0)
  nghttp2_option_set_peer_max_concurrent_streams(options, 100)
  // `ResetBudget` counts the peer's resets together with those that it causes; libnghttp2 would count the former alone.
  nghttp2_option_set_stream_reset_rate_limit(options, UInt64(Int64.max), 1)

  var session: OpaquePointer?
  let result =
    switch role {
    case .client: nghttp2_session_client_new2(&session, callbacks, nil, options)
    case .server: nghttp2_session_server_new2(&session, callbacks, nil, options)
    }
  return result == 0 ? session : nil
}

extension HTTP2Session {
  func attachUserData() {
    nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
  }

  /// Queues the SETTINGS frame (libnghttp2 puts the client magic before it) and widens the connection's window.
  func submitPreface() throws(HTTP2SessionError) {
    func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
      nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(clamping: value))
    }
    var settings = [
      entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, min(configuration.initialStreamWindow, Int(Int32.max))),
      entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, configuration.maxHeaderListSize),
    ]
    switch role {
    case .client: settings.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    case .server: settings.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, configuration.maxConcurrentStreams))
    }
    try check(nghttp2_submit_settings(session, flags(NGHTTP2_FLAG_NONE), settings, settings.count))
    let window = Int32(clamping: max(configuration.connectionWindow, 65_535))
    try check(nghttp2_session_set_local_window_size(session, flags(NGHTTP2_FLAG_NONE), 0, window))
  }

  func check(_ result: Int32) throws(HTTP2SessionError) {
    guard result < 0 else { return }
    if nghttp2_is_fatal(result) != 0 { throw sessionError(result) }
    throw HTTP2SessionError(.invalidState, String(cString: nghttp2_strerror(result)))
  }

  func flags(_ flag: nghttp2_flag) -> UInt8 { UInt8(flag.rawValue) }
}
