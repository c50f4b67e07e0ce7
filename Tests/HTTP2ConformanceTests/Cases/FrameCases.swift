// h2spec's http2 group, sections 3 to 5: preface, frames, streams.
extension ConformanceCase {
  private static let block = Request.block()

  static let startingHTTP2: [ConformanceCase] = [
    ConformanceCase("http2/3.5/1", "client connection preface", .seen("SETTINGS first, and SETTINGS ACK")) {
      try await $0.handshake()
    },
    ConformanceCase("http2/3.5/2", "invalid connection preface", .connectionError([.protocolError])) {
      $0.send(bytes: Array("INVALID CONNECTION PREFACE\r\n\r\n".utf8))
    },
  ]

  static let frames: [ConformanceCase] = [
    ConformanceCase(
      "http2/4.1/1", "a frame of unknown type", .silence, send: [Frame(kind: 0xff, payload: [0, 1, 2, 3])]),
    ConformanceCase("http2/4.1/2", "a frame with undefined flags", .seen("PING ACK with the same payload")) {
      try await $0.handshake()
      var ping = Frame.ping([9, 9, 9, 9, 9, 9, 9, 9])
      ping.flags = 0x16
      try await $0.expectPingAcknowledgement(ping)
    },
    ConformanceCase("http2/4.1/3", "a frame with the reserved bit", .seen("PING ACK with the same payload")) {
      try await $0.handshake()
      var ping = Frame.ping([8, 8, 8, 8, 8, 8, 8, 8])
      ping.stream = 0x8000_0000
      try await $0.expectPingAcknowledgement(ping)
    },

    ConformanceCase(
      "http2/4.2/1", "DATA of 2^14 bytes", .response(),
      send: [
        .headers(1, block, endStream: false),
        .data(1, Request.message([UInt8](repeating: 7, count: (1 << 14) - 5)), endStream: true),
      ]),
    ConformanceCase(
      "http2/4.2/2", "DATA larger than SETTINGS_MAX_FRAME_SIZE", .streamError([.frameSizeError]),
      send: [.headers(1, block, endStream: false), .data(1, [UInt8](repeating: 0, count: (1 << 14) + 1))]),
    ConformanceCase(
      "http2/4.2/3", "HEADERS larger than SETTINGS_MAX_FRAME_SIZE", .connectionError([.frameSizeError]),
      send: [.headers(1, block + HPACK.block([("x-big", String(repeating: "a", count: 1 << 14))]))]),

    ConformanceCase(
      "http2/4.3/1", "an invalid header block", .connectionError([.compressionError]),
      // An index of which only the prefix is there.
      send: [.headers(1, [0xff, 0xff, 0xff, 0xff])]),
    ConformanceCase(
      "http2/4.3/2", "PRIORITY within a header block", .connectionError([.protocolError]),
      send: [.headers(1, block, endHeaders: false), .priority(1), .continuation(1, HPACK.block([("x-test", "1")]))]),
    ConformanceCase(
      "http2/4.3/3", "HEADERS of another stream within a header block", .connectionError([.protocolError]),
      send: [.headers(1, block, endHeaders: false), .headers(3, block)]),
  ]

  static let streamStates: [ConformanceCase] = [
    ConformanceCase(
      "http2/5.1/1", "idle: DATA", .connectionError([.protocolError]), send: [.data(1, [1, 2, 3, 4], endStream: true)]),
    ConformanceCase("http2/5.1/2", "idle: RST_STREAM", .connectionError([.protocolError]), send: [.resetStream(1)]),
    ConformanceCase(
      "http2/5.1/3", "idle: WINDOW_UPDATE", .connectionError([.protocolError]), send: [.windowUpdate(1, 100)]),
    ConformanceCase(
      "http2/5.1/4", "idle: CONTINUATION", .connectionError([.protocolError]), send: [.continuation(1, block)]),
    ConformanceCase(
      "http2/5.1/5", "half-closed (remote): DATA", .streamError([.streamClosed]),
      send: [.headers(1, hold), .data(1, [1, 2, 3, 4], endStream: true)]),
    ConformanceCase(
      "http2/5.1/6", "half-closed (remote): HEADERS", .streamError([.streamClosed]),
      send: [.headers(1, hold), .headers(1, hold)]),
    ConformanceCase(
      "http2/5.1/7", "half-closed (remote): CONTINUATION", .streamError([.streamClosed, .protocolError]),
      send: [.headers(1, hold), .continuation(1, block)]),
    ConformanceCase(
      "http2/5.1/8", "closed: DATA after RST_STREAM", .streamError([.streamClosed]),
      send: [.headers(1, hold, endStream: false), .resetStream(1), .data(1, [1, 2, 3, 4], endStream: true)]),
    ConformanceCase(
      "http2/5.1/9", "closed: HEADERS after RST_STREAM", .streamError([.streamClosed]),
      send: [.headers(1, hold, endStream: false), .resetStream(1), .headers(1, hold)]),
    ConformanceCase(
      "http2/5.1/10", "closed: CONTINUATION after RST_STREAM", .streamError([.streamClosed, .protocolError]),
      send: [.headers(1, hold, endStream: false), .resetStream(1), .continuation(1, HPACK.block([("x-test", "1")]))]),
    ConformanceCase("http2/5.1/11", "closed: DATA", .connectionError([.streamClosed])) {
      try await $0.handshake()
      try await $0.finishStream(1)
      $0.send(.data(1, [1, 2, 3, 4], endStream: true))
    },
    ConformanceCase("http2/5.1/12", "closed: HEADERS", .connectionError([.streamClosed])) {
      try await $0.handshake()
      try await $0.finishStream(1)
      $0.send(.headers(1, block))
    },
    ConformanceCase("http2/5.1/13", "closed: CONTINUATION", .connectionError([.streamClosed, .protocolError])) {
      try await $0.handshake()
      try await $0.finishStream(1)
      $0.send(.continuation(1, HPACK.block([("x-test", "1")])))
    },

    ConformanceCase(
      "http2/5.1.1/1", "an even stream identifier", .connectionError([.protocolError]), send: [.headers(2, block)]),
    ConformanceCase(
      "http2/5.1.1/2", "a stream identifier lower than the last", .connectionError([.protocolError]),
      send: [.headers(5, hold), .headers(3, hold)]),
    ConformanceCase(
      "http2/5.1.1/3", "HEADERS again on a half-closed (remote) stream", .streamError([.streamClosed], stream: 5),
      send: [.headers(5, hold), .headers(5, hold)]),
    ConformanceCase(
      "http2/5.1.2/1", "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
      .streamError([.protocolError, .refusedStream], stream: 201),
      send: (0...100).map { .headers(1 + 2 * $0, hold, endStream: false) }),

    ConformanceCase(
      "http2/5.3.1/1", "HEADERS that depend on their own stream", .streamError([.protocolError]),
      send: [.headers(1, greet, priority: (1, 255))]),
    ConformanceCase(
      "http2/5.3.1/2", "PRIORITY that depends on its own stream", .streamError([.protocolError], stream: 2),
      send: [.priority(2, dependency: 2)]),

    ConformanceCase(
      "http2/5.4.1/1", "an invalid PING: the connection closes", .connectionError([.protocolError]),
      send: [Frame(kind: Frame.Kind.ping, stream: 3, payload: [0, 0, 0, 0, 0, 0, 0, 0])]),
    ConformanceCase("http2/5.4.1/2", "an invalid PING: GOAWAY names the last stream", .ending("GOAWAY, last stream 1"))
    {
      try await $0.handshake()
      try await $0.finishStream(1)
      $0.send(Frame(kind: Frame.Kind.ping, stream: 3, payload: [0, 0, 0, 0, 0, 0, 0, 0]))
      try await $0.expectGoAway(lastStream: 1, code: .protocolError)
    },

    ConformanceCase(
      "http2/5.5/1", "an unknown extension frame", .silence, send: [Frame(kind: 0x16, payload: [0, 0, 0, 0])]),
    ConformanceCase(
      "http2/5.5/2", "an unknown extension frame within a header block", .connectionError([.protocolError]),
      send: [
        .headers(1, block, endHeaders: false), Frame(kind: 0x16, stream: 1, payload: [0, 0, 0, 0]),
        .continuation(1, HPACK.block([("x-test", "1")])),
      ]),
  ]
}
