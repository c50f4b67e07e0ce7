// The steps that cases share.
extension RawConnection {
  /// A call and its whole answer, so that the stream is closed for both sides.
  func finishStream(_ stream: UInt32) async throws {
    send(.headers(stream, ConformanceCase.greet))
    _ = try await first("the end of stream \(stream)") { arrival -> Void? in
      if case .frame(let frame) = arrival, frame.stream == stream, frame.endsStream { () } else { nil }
    }
  }

  func expectData(_ count: Int, on stream: UInt32) async throws {
    let data = try await first("DATA") { arrival -> Frame? in
      if case .frame(let frame) = arrival, frame.kind == Frame.Kind.data { frame } else { nil }
    }
    guard data.stream == stream, data.payload.count == count else { throw Unexpected("\(data)") }
  }

  func expectSettingsAcknowledgement() async throws {
    let next = try await next()
    guard next == .frame(.settingsAcknowledgement) else { throw Unexpected("\(next)") }
  }

  func expectPingAcknowledgement(_ payload: [UInt8]) async throws {
    try await expectPingAcknowledgement(.ping(payload))
  }

  func expectPingAcknowledgement(_ ping: Frame) async throws {
    send(ping)
    let next = try await next()
    guard next == .frame(.ping(ping.payload, acknowledgement: true)) else { throw Unexpected("\(next)") }
  }

  func expectGoAway(lastStream: UInt32, code: ErrorCode) async throws {
    let frame = try await first("GOAWAY") { arrival -> Frame? in
      if case .frame(let frame) = arrival, frame.kind == Frame.Kind.goAway { frame } else { nil }
    }
    // Text for people may follow.
    guard frame.payload.starts(with: Frame.goAway(code.rawValue, lastStream: lastStream).payload) else {
      throw Unexpected("\(frame)")
    }
    guard try await next() == .closed else { throw Unexpected("the connection stays open") }
  }

  /// Sends GOAWAY on a connection without streams: the server has nothing left to do there, and closes.
  func endsAfterGoAway(code: UInt32) async throws {
    try await handshake()
    send(.goAway(code))
    for frame in try await untilClosed() {
      guard frame.kind == Frame.Kind.goAway, frame.errorCode == 0 else { throw Unexpected("\(frame)") }
    }
  }

  /// SETTINGS, and the server's acknowledgement of them.
  func set(_ entries: KeyValuePairs<UInt16, UInt32>) async throws {
    send(.settings(entries))
    try await expectSettingsAcknowledgement()
  }
}
