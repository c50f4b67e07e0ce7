// h2spec's generic group: what every server must accept.
extension ConformanceCase {
  /// A call whose whole answer is one message, and one that is never answered.
  static let greet = Request.block("/test/Greet")
  static let hold = Request.block("/test/Hold")
  private static let message = Request.message(Array("ping".utf8))
  /// Seven bytes of one, seven of the next…
  private static func thirds(_ block: [UInt8]) -> [[UInt8]] {
    let third = block.count / 3
    return [Array(block[..<third]), Array(block[third..<2 * third]), Array(block[(2 * third)...])]
  }

  static let generic: [ConformanceCase] = [
    ConformanceCase("generic/1/1", "client connection preface", .seen("SETTINGS first, and SETTINGS ACK")) {
      try await $0.handshake()
    },

    ConformanceCase("generic/2/1", "PRIORITY on an idle stream", .silence, send: [.priority(1, weight: 255)]),
    ConformanceCase("generic/2/2", "WINDOW_UPDATE on a half-closed (remote) stream", .seen("DATA of 1 byte")) {
      try await $0.handshake([Setting.initialWindowSize: 0])
      $0.send(.headers(1, greet), .windowUpdate(1, 1))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase("generic/2/3", "PRIORITY on a half-closed (remote) stream", .seen("DATA of 1 byte")) {
      try await $0.handshake([Setting.initialWindowSize: 0])
      $0.send(.headers(1, greet), .priority(1, weight: 255), .windowUpdate(1, 1))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase(
      "generic/2/4", "RST_STREAM on a half-closed (remote) stream", .silence,
      send: [.headers(1, hold), .resetStream(1)]),
    ConformanceCase("generic/2/5", "PRIORITY on a closed stream", .silence) {
      try await $0.handshake()
      try await $0.finishStream(1)
      $0.send(.priority(1, weight: 255))
    },

    ConformanceCase(
      "generic/3.1/1", "DATA", .response(),
      send: [.headers(1, Request.block(), endStream: false), .data(1, message, endStream: true)]),
    ConformanceCase(
      "generic/3.1/2", "several DATA frames", .response(),
      send: [
        .headers(1, Request.block(), endStream: false), .data(1, Array(message[..<3])),
        .data(1, Array(message[3...]), endStream: true),
      ]),
    ConformanceCase(
      "generic/3.1/3", "DATA with padding", .response(),
      send: [.headers(1, Request.block(), endStream: false), .data(1, message, endStream: true, padding: 8)]),

    ConformanceCase("generic/3.2/1", "HEADERS", .response(), send: [.headers(1, greet)]),
    ConformanceCase("generic/3.2/2", "HEADERS with padding", .response(), send: [.headers(1, greet, padding: 8)]),
    ConformanceCase(
      "generic/3.2/3", "HEADERS with a priority", .response(), send: [.headers(1, greet, priority: (0, 255))]),

    ConformanceCase(
      "generic/3.3/1", "PRIORITY with weight 1", .response(), send: [.priority(1, weight: 0), .headers(1, greet)]),
    ConformanceCase(
      "generic/3.3/2", "PRIORITY with weight 256", .response(), send: [.priority(1, weight: 255), .headers(1, greet)]),
    ConformanceCase(
      "generic/3.3/3", "PRIORITY with a stream dependency", .response(),
      send: [.priority(3, dependency: 1), .headers(1, greet)]),
    ConformanceCase(
      "generic/3.3/4", "PRIORITY with the exclusive flag", .response(),
      send: [.priority(1, dependency: 0x8000_0000), .headers(1, greet)]),
    ConformanceCase(
      "generic/3.3/5", "PRIORITY on an idle stream, then HEADERS on a lower one", .response(),
      send: [.priority(3, weight: 255), .headers(1, greet)]),

    ConformanceCase(
      "generic/3.4/1", "RST_STREAM", .silence, send: [.headers(1, hold, endStream: false), .resetStream(1)]),
    ConformanceCase("generic/3.5/1", "SETTINGS", .seen("SETTINGS ACK")) {
      try await $0.handshake()
      $0.send(.settings([Setting.maxConcurrentStreams: 100]))
      try await $0.expectSettingsAcknowledgement()
    },
    ConformanceCase("generic/3.7/1", "PING", .seen("PING ACK with the same payload")) {
      try await $0.handshake()
      try await $0.expectPingAcknowledgement([9, 8, 7, 6, 5, 4, 3, 2])
    },
    ConformanceCase("generic/3.8/1", "GOAWAY", .ending("the connection closes without an error")) {
      try await $0.endsAfterGoAway(code: 0)
    },
    ConformanceCase(
      "generic/3.9/1", "WINDOW_UPDATE on stream 0", .response(), send: [.windowUpdate(0, 1), .headers(1, greet)]),
    ConformanceCase("generic/3.9/2", "WINDOW_UPDATE on a stream", .seen("DATA of 1 byte")) {
      try await $0.handshake([Setting.initialWindowSize: 0])
      $0.send(.headers(1, greet), .windowUpdate(1, 1))
      try await $0.expectData(1, on: 1)
    },
    ConformanceCase(
      "generic/3.10/1", "CONTINUATION", .response(),
      send: [.headers(1, thirds(greet)[0], endHeaders: false), .continuation(1, thirds(greet)[1] + thirds(greet)[2])]),
    ConformanceCase(
      "generic/3.10/2", "several CONTINUATION frames", .response(),
      send: [
        .headers(1, thirds(greet)[0], endHeaders: false), .continuation(1, thirds(greet)[1], endHeaders: false),
        .continuation(1, thirds(greet)[2]),
      ]),

    // A gRPC server takes POST alone, and says so in a whole response.
    ConformanceCase(
      "generic/4/1", "GET", .response(status: "405", grpcStatus: nil), send: [.headers(1, Request.get)]),
    ConformanceCase(
      "generic/4/2", "HEAD", .response(status: "405", grpcStatus: nil),
      send: [.headers(1, Request.block(replacing: [":method": "HEAD"]))]),
    ConformanceCase(
      "generic/4/3", "POST", .response(),
      send: [.headers(1, Request.block(), endStream: false), .data(1, message, endStream: true)]),
    ConformanceCase(
      "generic/4/4", "POST with trailers", .response(),
      send: [
        .headers(1, Request.block(), endStream: false), .data(1, message),
        .headers(1, HPACK.block([("x-trailer", "end")])),
      ]),
  ]

  static let genericHPACK: [ConformanceCase] = {
    /// The request's last field is written in the form that is tested; index 58 is `user-agent`.
    func accepted(_ number: Int, _ title: String, _ form: [UInt8]) -> ConformanceCase {
      ConformanceCase("generic/5/\(number)", title, .response(), send: [.headers(1, greet + form)])
    }
    var cases = [
      ConformanceCase(
        "generic/5/1", "indexed field", .response(status: "405", grpcStatus: nil), send: [.headers(1, Request.get)])
    ]
    let literals: [(HPACK.Literal, String)] = [
      (.incremental, "literal with incremental indexing"), (.withoutIndexing, "literal without indexing"),
      (.neverIndexed, "literal never indexed"),
    ]
    for (literal, name) in literals {
      for (isNew, kind) in [(false, "indexed name"), (true, "new name")] {
        for huffman in [false, true] {
          let form =
            isNew
            ? HPACK.literal(literal, "x-test", "weir", huffman: huffman)
            : HPACK.literal(literal, nameIndex: 58, "weir", huffman: huffman)
          cases.append(accepted(cases.count + 1, "\(name), \(kind)\(huffman ? ", Huffman" : "")", form))
        }
      }
    }
    return cases + [
      ConformanceCase(
        "generic/5/14", "dynamic table size update", .response(), send: [.headers(1, HPACK.sizeUpdate(128) + greet)]),
      ConformanceCase(
        "generic/5/15", "several dynamic table size updates", .response(),
        send: [.headers(1, HPACK.sizeUpdate(128) + HPACK.sizeUpdate(4096) + greet)]),
    ]
  }()
}
