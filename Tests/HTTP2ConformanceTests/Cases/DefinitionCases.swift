// h2spec's http2 group, sections 6 and 7: each frame's own rules.
extension ConformanceCase {
  private static let block = Request.block()
  private static let more = HPACK.block([("x-test", "1")])

  static let dataAndHeaders: [ConformanceCase] = [
    ConformanceCase(
      "http2/6.1/1", "DATA on stream 0", .connectionError([.protocolError]),
      send: [.headers(1, hold, endStream: false), .data(0, [1, 2, 3, 4], endStream: true)]),
    ConformanceCase(
      "http2/6.1/2", "DATA on a stream that is neither open nor half-closed (local)", .streamError([.streamClosed]),
      send: [.headers(1, hold), .data(1, [1, 2, 3, 4], endStream: true)]),
    ConformanceCase(
      "http2/6.1/3", "DATA with a pad length above the payload's", .connectionError([.protocolError]),
      send: [
        .headers(1, hold, endStream: false),
        Frame(
          kind: Frame.Kind.data, flags: Frame.Flags.endStream | Frame.Flags.padded, stream: 1,
          payload: [5, 0x54, 0x65, 0x73, 0x74]),
      ]),

    ConformanceCase(
      "http2/6.2/1", "HEADERS without END_HEADERS, then PRIORITY", .connectionError([.protocolError]),
      send: [.headers(1, block, endHeaders: false), .priority(1), .continuation(1, more)]),
    ConformanceCase(
      "http2/6.2/2", "HEADERS without END_HEADERS, then HEADERS of another stream", .connectionError([.protocolError]),
      send: [.headers(1, block, endHeaders: false), .headers(3, block)]),
    ConformanceCase(
      "http2/6.2/3", "HEADERS on stream 0", .connectionError([.protocolError]), send: [.headers(0, block)]),
    ConformanceCase(
      "http2/6.2/4", "HEADERS with a pad length above the payload's", .connectionError([.protocolError]),
      send: [
        Frame(
          kind: Frame.Kind.headers,
          flags: Frame.Flags.endStream | Frame.Flags.endHeaders | Frame.Flags.padded, stream: 1,
          payload: [UInt8(block.count + 1)] + block)
      ]),

    ConformanceCase(
      "http2/6.3/1", "PRIORITY on stream 0", .connectionError([.protocolError]), send: [.priority(0)]),
    ConformanceCase(
      "http2/6.3/2", "PRIORITY of 4 bytes", .streamError([.frameSizeError]),
      send: [
        .headers(1, hold, endStream: false), Frame(kind: Frame.Kind.priority, stream: 1, payload: [0x80, 0, 0, 1]),
      ]),

    ConformanceCase(
      "http2/6.4/1", "RST_STREAM on stream 0", .connectionError([.protocolError]), send: [.resetStream(0)]),
    ConformanceCase(
      "http2/6.4/2", "RST_STREAM on an idle stream", .connectionError([.protocolError]), send: [.resetStream(1)]),
    ConformanceCase(
      "http2/6.4/3", "RST_STREAM of 3 bytes", .connectionError([.frameSizeError]),
      send: [.headers(1, hold), Frame(kind: Frame.Kind.resetStream, stream: 1, payload: [0, 0, 0])]),
  ]

  static let settings: [ConformanceCase] = [
    ConformanceCase(
      "http2/6.5/1", "SETTINGS ACK with a payload", .connectionError([.frameSizeError]),
      send: [Frame(kind: Frame.Kind.settings, flags: Frame.Flags.acknowledgement, payload: [0])]),
    ConformanceCase("http2/6.5/2", "SETTINGS on stream 1", .connectionError([.protocolError])) {
      try await $0.handshake()
      var settings = Frame.settings([Setting.maxConcurrentStreams: 100])
      settings.stream = 1
      $0.send(settings)
    },
    ConformanceCase(
      "http2/6.5/3", "SETTINGS of 3 bytes", .connectionError([.frameSizeError]),
      send: [Frame(kind: Frame.Kind.settings, payload: [0, 3, 0])]),

    ConformanceCase(
      "http2/6.5.2/1", "SETTINGS_ENABLE_PUSH of 2", .connectionError([.protocolError]),
      send: [.settings([Setting.enablePush: 2])]),
    ConformanceCase(
      "http2/6.5.2/2", "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1", .connectionError([.flowControlError]),
      send: [.settings([Setting.initialWindowSize: 1 << 31])]),
    ConformanceCase(
      "http2/6.5.2/3", "SETTINGS_MAX_FRAME_SIZE below 2^14", .connectionError([.protocolError]),
      send: [.settings([Setting.maxFrameSize: (1 << 14) - 1])]),
    ConformanceCase(
      "http2/6.5.2/4", "SETTINGS_MAX_FRAME_SIZE above 2^24-1", .connectionError([.protocolError]),
      send: [.settings([Setting.maxFrameSize: 1 << 24])]),
    ConformanceCase("http2/6.5.2/5", "an unknown setting", .seen("SETTINGS ACK")) {
      try await $0.handshake()
      try await $0.set([0xff: 1])
    },

    ConformanceCase("http2/6.5.3/1", "SETTINGS_INITIAL_WINDOW_SIZE twice in one frame", .seen("DATA of 1 byte")) {
      try await $0.handshake()
      try await $0.set([Setting.initialWindowSize: 100, Setting.initialWindowSize: 1])
      $0.send(.headers(1, greet))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase("http2/6.5.3/2", "SETTINGS without the ACK flag", .seen("SETTINGS ACK")) {
      try await $0.handshake()
      try await $0.set([Setting.enablePush: 0])
    },
  ]

  static let pingAndGoAway: [ConformanceCase] = [
    ConformanceCase("http2/6.7/1", "PING", .seen("PING ACK with the same payload")) {
      try await $0.handshake()
      try await $0.expectPingAcknowledgement([1, 2, 3, 4, 5, 6, 7, 8])
    },
    ConformanceCase("http2/6.7/2", "PING with the ACK flag", .seen("an answer only to the PING after it")) {
      try await $0.handshake()
      $0.send(.ping([0x69, 0x6e, 0x76, 0x61, 0x6c, 0x69, 0x64, 0], acknowledgement: true))
      try await $0.expectPingAcknowledgement([1, 2, 3, 4, 5, 6, 7, 8])
    },
    ConformanceCase(
      "http2/6.7/3", "PING on stream 1", .connectionError([.protocolError]),
      send: [Frame(kind: Frame.Kind.ping, stream: 1, payload: [0, 0, 0, 0, 0, 0, 0, 0])]),
    ConformanceCase(
      "http2/6.7/4", "PING of 6 bytes", .connectionError([.frameSizeError]), send: [.ping([0, 0, 0, 0, 0, 0])]),
    ConformanceCase(
      "http2/6.8/1", "GOAWAY on stream 1", .connectionError([.protocolError]), send: [.goAway(0, stream: 1)]),
  ]

  static let windows: [ConformanceCase] = [
    ConformanceCase(
      "http2/6.9/1", "WINDOW_UPDATE of 0", .connectionError([.protocolError]), send: [.windowUpdate(0, 0)]),
    ConformanceCase(
      "http2/6.9/2", "WINDOW_UPDATE of 0 on a stream", .streamError([.protocolError]),
      send: [.headers(1, hold, endStream: false), .windowUpdate(1, 0)]),
    ConformanceCase(
      "http2/6.9/3", "WINDOW_UPDATE of 3 bytes", .connectionError([.frameSizeError]),
      send: [Frame(kind: Frame.Kind.windowUpdate, payload: [0, 0, 1])]),

    ConformanceCase("http2/6.9.1/1", "SETTINGS_INITIAL_WINDOW_SIZE of 1, then HEADERS", .seen("DATA of 1 byte")) {
      try await $0.handshake()
      try await $0.set([Setting.initialWindowSize: 1])
      $0.send(.headers(1, greet))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase(
      "http2/6.9.1/2", "WINDOW_UPDATEs that raise the window above 2^31-1", .connectionError([.flowControlError]),
      send: [.windowUpdate(0, 0x7fff_ffff), .windowUpdate(0, 0x7fff_ffff)]),
    ConformanceCase(
      "http2/6.9.1/3", "WINDOW_UPDATEs that raise a stream's window above 2^31-1", .streamError([.flowControlError]),
      send: [.headers(1, hold, endStream: false), .windowUpdate(1, 0x7fff_ffff), .windowUpdate(1, 0x7fff_ffff)]),

    ConformanceCase("http2/6.9.2/1", "SETTINGS_INITIAL_WINDOW_SIZE changed after HEADERS", .seen("DATA of 1 byte")) {
      try await $0.handshake()
      try await $0.set([Setting.initialWindowSize: 0])
      $0.send(.headers(1, greet))
      $0.send(.settings([Setting.initialWindowSize: 1]))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase("http2/6.9.2/2", "a window that becomes negative", .seen("DATA of 3 bytes, and then of 1")) {
      try await $0.handshake()
      try await $0.set([Setting.initialWindowSize: 3])
      $0.send(.headers(1, greet))
      try await $0.expectData(3, on: 1)
      // The window is now 2 - 3 = -1, and 1 after the update.
      try await $0.set([Setting.initialWindowSize: 2])
      let early = try await lives($0).filter { $0.kind == Frame.Kind.data }
      guard early.isEmpty else { throw RawConnection.Unexpected("\(early)") }
      $0.send(.windowUpdate(1, 2))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase(
      "http2/6.9.2/3", "SETTINGS_INITIAL_WINDOW_SIZE above the maximum", .connectionError([.flowControlError]),
      send: [.settings([Setting.initialWindowSize: 0x8000_0000])]),
  ]

  static let continuations: [ConformanceCase] = [
    ConformanceCase(
      "http2/6.10/1", "several CONTINUATION frames", .response(),
      send: [
        .headers(1, greet, endHeaders: false), .continuation(1, more, endHeaders: false),
        .continuation(1, HPACK.block([("x-more", "2")])),
      ]),
    ConformanceCase(
      "http2/6.10/2", "CONTINUATION, then DATA", .connectionError([.protocolError]),
      send: [
        .headers(1, block, endStream: false, endHeaders: false), .continuation(1, more, endHeaders: false),
        .data(1, [1, 2, 3, 4], endStream: true),
      ]),
    ConformanceCase(
      "http2/6.10/3", "CONTINUATION on stream 0", .connectionError([.protocolError]),
      send: [.headers(1, block, endHeaders: false), .continuation(0, more)]),
    ConformanceCase(
      "http2/6.10/4", "CONTINUATION after HEADERS with END_HEADERS", .connectionError([.protocolError]),
      send: [.headers(1, hold), .continuation(1, more)]),
    ConformanceCase(
      "http2/6.10/5", "CONTINUATION after CONTINUATION with END_HEADERS", .connectionError([.protocolError]),
      send: [.headers(1, hold, endHeaders: false), .continuation(1, more), .continuation(1, more)]),
    ConformanceCase(
      "http2/6.10/6", "CONTINUATION after DATA", .connectionError([.protocolError]),
      send: [
        .headers(1, hold, endStream: false), .data(1, Request.message([1])), .continuation(1, more, endHeaders: false),
        .continuation(1, more),
      ]),
  ]

  static let errorCodes: [ConformanceCase] = [
    ConformanceCase("http2/7/1", "GOAWAY with an unknown code", .ending("the connection closes without an error")) {
      try await $0.endsAfterGoAway(code: 0xff)
    },
    ConformanceCase(
      "http2/7/2", "RST_STREAM with an unknown code", .silence,
      send: [.headers(1, hold, endStream: false), .resetStream(1, 0xff)]),
  ]
}
