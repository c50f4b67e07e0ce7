internal import CNghttp2
internal import NIOCore

// The C callbacks: each checks its pointers, recovers the session, and calls one method. `user_data` is the
// `HTTP2Session`, unretained (see there), so there is no balancing release.

private func recover(_ userData: UnsafeMutableRawPointer?) -> HTTP2Session? {
  userData.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
}

func onBeginHeaders(
  _: OpaquePointer?, _: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  recover(userData)?.headersBegan()
  return 0
}

func onHeader(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?, _ nameLength: Int,
  _ value: UnsafePointer<UInt8>?, _ valueLength: Int, _: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let frame else { return 0 }
  return self.headerReceived(
    stream: frame.pointee.hd.stream_id,
    name: UnsafeBufferPointer(start: name, count: nameLength),
    value: UnsafeBufferPointer(start: value, count: valueLength))
}

func onFrameReceived(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let frame else { return 0 }
  self.frameReceived(frame)
  return 0
}

func onInvalidFrame(
  _: OpaquePointer?, _: UnsafePointer<nghttp2_frame>?, _ code: Int32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  recover(userData)?.diagnostic = String(cString: nghttp2_strerror(code))
  return 0
}

func onDataChunk(
  _: OpaquePointer?, _: UInt8, _ stream: Int32, _ data: UnsafePointer<UInt8>?, _ length: Int,
  _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let data else { return 0 }
  self.dataReceived(stream: stream, UnsafeRawBufferPointer(start: data, count: length))
  return 0
}

func onStreamClose(
  _: OpaquePointer?, _ stream: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  recover(userData)?.streamClosed(stream, code: code)
  return 0
}

func onFrameSent(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let frame else { return 0 }
  self.frameSent(frame)
  return 0
}

func onFrameNotSent(
  _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _: Int32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let frame else { return 0 }
  // A request whose head never went out has no stream in libnghttp2 and so gets no close callback.
  if frame.pointee.hd.type == NGHTTP2_HEADERS.rawValue, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
    self.streamClosed(frame.pointee.hd.stream_id, code: HTTP2ErrorCode.refusedStream.rawValue)
  }
  return 0
}

func onSendData(
  _: OpaquePointer?, _ frame: UnsafeMutablePointer<nghttp2_frame>?, _ header: UnsafePointer<UInt8>?, _ length: Int,
  _: UnsafeMutablePointer<nghttp2_data_source>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let frame, let header else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
  return self.sendData(
    stream: frame.pointee.hd.stream_id, header: UnsafeRawBufferPointer(start: header, count: 9), length: length,
    padding: frame.pointee.data.padlen)
}

func onReadBody(
  _: OpaquePointer?, _ stream: Int32, _: UnsafeMutablePointer<UInt8>?, _ length: Int,
  _ dataFlags: UnsafeMutablePointer<UInt32>?, _: UnsafeMutablePointer<nghttp2_data_source>?,
  _ userData: UnsafeMutableRawPointer?
) -> Int {
  guard let self = recover(userData), let dataFlags else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
  return self.offerBody(stream: stream, maximum: length, dataFlags: &dataFlags.pointee)
}

func onDiagnostic(
  _: OpaquePointer?, _: Int32, _ text: UnsafePointer<CChar>?, _ length: Int, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let self = recover(userData), let text else { return 0 }
  self.diagnostic = String(decoding: UnsafeRawBufferPointer(start: text, count: length), as: UTF8.self)
  return 0
}
