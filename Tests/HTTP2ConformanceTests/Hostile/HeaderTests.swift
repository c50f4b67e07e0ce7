import NIOCore
import Testing

extension HostileBytes {
  @Suite("Header floods and malformed requests") struct HeaderFloods {
    /// A field of 4,000 bytes goes into the dynamic table, and is named a thousand times: 5 kB that decode to 4 MB.
    static let bomb =
      HPACK.literal(.incremental, "x", String(repeating: "b", count: 4000))
      + [UInt8](repeating: 0xbe, count: 1000)

    @Test("many fields, 16 kB of them: the stream is reset with ENHANCE_YOUR_CALM") func manyFields() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        let fields = HPACK.block((0..<1000).map { ("x-\($0)", "v") })
        attacker.send(.headers(1, ADS.head, endHeaders: false), .continuation(1, fields))
        #expect(try await attacker.resetCode() == .enhanceYourCalm)
        try await attacker.finishesACall(3)
      }
    }

    @Test("a header list of 100 kB: the stream is reset with ENHANCE_YOUR_CALM") func hugeList() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        let big = HPACK.block([("x-big", String(repeating: "a", count: 16_000))])
        attacker.send(.headers(1, ADS.head, endHeaders: false))
        for number in 1...6 { attacker.send(.continuation(1, big, endHeaders: number == 6)) }
        #expect(try await attacker.resetCode() == .enhanceYourCalm)
        try await attacker.finishesACall(3)
      }
    }

    @Test("HPACK bomb: the stream is reset with ENHANCE_YOUR_CALM") func hpackBomb() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, ADS.head + Self.bomb))
        #expect(try await attacker.resetCode() == .enhanceYourCalm)
        try await attacker.finishesACall(3)
      }
    }

    @Test("a header field of 4 GB by its length: COMPRESSION_ERROR") func hugeString() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, ADS.head + [0] + HPACK.integer(0xffff_ffff, prefix: 7), endHeaders: true))
        #expect(try await attacker.untilClosed().last?.errorCode == ErrorCode.compressionError.rawValue)
      }
    }

    @Test(
      "malformed requests on the xDS path: the stream is reset with PROTOCOL_ERROR",
      arguments: [
        Malformed("an upper-case name", Request.block(ADS.path, adding: [("X-Test", "1")])),
        Malformed("no :path", Request.block(ADS.path, without: ":path")),
        Malformed("no :method", Request.block(ADS.path, without: ":method")),
        Malformed(":status in a request", HPACK.block([(":status", "200")]) + ADS.head),
        Malformed("an unknown pseudo-field", HPACK.block([(":weir", "1")]) + ADS.head),
        Malformed("a pseudo-field last", HPACK.block([("x-test", "1")]) + ADS.head),
        Malformed("a line break in a value", Request.block(ADS.path, adding: [("x-test", "a\r\nb")])),
        Malformed("a NUL in a value", Request.block(ADS.path, adding: [("x-test", "a\0b")])),
        Malformed("an empty name", Request.block(ADS.path, adding: [("", "1")])),
        Malformed("transfer-encoding", Request.block(ADS.path, adding: [("transfer-encoding", "chunked")])),
        Malformed("content-length that is no number", Request.block(ADS.path, adding: [("content-length", "1x")])),
      ]) func malformed(_ request: Malformed) async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, request.block, endStream: false))
        #expect(try await attacker.resetCode() == .protocolError)
        try await attacker.finishesACall(3)
        #expect(siege.grpc.acceptedCallCount == 2)
      }
    }

    @Test(
      "content-length and pseudo-fields in trailers: the stream is reset with PROTOCOL_ERROR",
      arguments: [
        [
          Frame.headers(1, ADS.head + HPACK.block([("content-length", "3")]), endStream: false),
          .data(1, [0, 0, 0, 0, 0]),
        ],
        [.headers(1, ADS.head, endStream: false), .headers(1, HPACK.block([(":path", "/")]))],
        [.headers(1, ADS.head, endStream: false), .headers(1, HPACK.block([("x-test", "1")]), endStream: false)],
      ]) func laterFaults(_ frames: [Frame]) async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(bytes: frames.flatMap { $0.bytes() })
        #expect(try await attacker.resetCode() == .protocolError)
        try await attacker.finishesACall(3)
      }
    }

    struct Malformed: Sendable, CustomTestStringConvertible {
      let testDescription: String
      let block: [UInt8]
      init(_ name: String, _ block: [UInt8]) {
        testDescription = name
        self.block = block
      }
    }
  }
}

extension RawConnection {
  /// A call on the same connection works; it also takes the connection away.
  fileprivate func finishesACall(_ stream: UInt32) async throws {
    send(.headers(stream, ADS.head))
    #expect(try await grpcStatus(of: stream) == "0")
    close()
  }
}
