import NIOCore
import Testing

extension HostileBytes {
  @Suite("Floods") struct Floods {
    @Test("CONTINUATION flood, a field in each: ENHANCE_YOUR_CALM") func continuations() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, ADS.head, endHeaders: false))
        let frame = Frame.continuation(1, HPACK.block([("x-more", "1")]), endHeaders: false).bytes()
        try await attacker.flood(frame, atMost: 10_000)
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    @Test("CONTINUATION flood, all empty: ENHANCE_YOUR_CALM") func emptyContinuations() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, [], endHeaders: false))
        try await attacker.flood(Frame.continuation(1, [], endHeaders: false).bytes(), atMost: 10_000)
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    @Test("empty DATA flood: ENHANCE_YOUR_CALM") func emptyData() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, ADS.subscription())
        try await attacker.flood(Frame.data(1, []).bytes(), atMost: 10_000)
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    @Test("empty DATA flood, all padding: ENHANCE_YOUR_CALM") func paddedData() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, ADS.subscription())
        let frames = Frame.data(1, [], padding: 0).bytes() + Frame.data(1, [], padding: 200).bytes()
        try await attacker.flood(frames, atMost: 10_000)
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    @Test("a SETTINGS of 2,000 entries: ENHANCE_YOUR_CALM") func manySettings() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(
          Frame(
            kind: Frame.Kind.settings,
            payload: [[UInt8]](repeating: [0, 3, 0, 0, 0, 1], count: 2000).flatMap { $0 }))
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    @Test("PRIORITY flood: ENHANCE_YOUR_CALM") func priorities() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        try await attacker.flood(Frame.priority(3, weight: 1).bytes(), atMost: 10_000)
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    @Test(
      "PING and SETTINGS floods whose answers are not read: ENHANCE_YOUR_CALM",
      arguments: [
        Frame.ping([1, 2, 3, 4, 5, 6, 7, 8]), .settings(),
      ]) func unread(_ frame: Frame) async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.join(receiveBuffer: 4096)
        try await attacker.stopReading()
        let thousand = [[UInt8]](repeating: frame.bytes(), count: 1000).flatMap { $0 }
        #expect(await attacker.pour(thousand, atMost: 2000))
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    /// What costs the server no more than reading it may be served; a limit of frames may end it.
    @Test(
      "floods of a reading peer: served in full, or ENHANCE_YOUR_CALM",
      arguments: [
        Frame.ping([1, 2, 3, 4, 5, 6, 7, 8]), .settings(), .settings([Setting.initialWindowSize: 1000]),
        .windowUpdate(0, 1), .windowUpdate(1, 1), .ping([0, 0, 0, 0, 0, 0, 0, 0], acknowledgement: true),
        Frame(kind: 0xfe, stream: 1),
      ]) func read(_ frame: Frame) async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, ADS.subscription())
        let thousand = [[UInt8]](repeating: frame.bytes(), count: 1000).flatMap { $0 }
        if await attacker.pour(thousand, atMost: 20) {
          try await siege.expectClose("ENHANCE_YOUR_CALM")
        } else {
          try await attacker.isServedOrCalmed(answers: frame.needsAnswer ? 20_000 : 0)
          attacker.close()
        }
      }
    }

    @Test("rapid reset (CVE-2023-44487): ENHANCE_YOUR_CALM") func rapidReset() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        var stream: UInt32 = 1
        var isClosed = false
        while !isClosed, stream < 10_000 {
          var bytes: [UInt8] = []
          for _ in 0..<10 {
            bytes += Frame.headers(stream, ADS.head, endStream: false).bytes() + Frame.resetStream(stream).bytes()
            stream += 2
          }
          isClosed = await !attacker.sendAndWait(bytes: bytes)
        }
        if !isClosed { _ = try await attacker.untilClosed() }
        try await siege.expectClose("ENHANCE_YOUR_CALM")
        #expect(siege.grpc.acceptedCallCount < 3000)
      }
    }

    @Test("the server made to reset streams (CVE-2025-8671): ENHANCE_YOUR_CALM", arguments: Misdeed.allCases)
    func madeYouReset(_ misdeed: Misdeed) async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        // One at a time: more than a hundred at once would be an error of another kind.
        var resets = 0
        while resets < 4000 {
          let stream = UInt32(2 * resets + 1)
          attacker.send(bytes: misdeed.frames(stream).flatMap { $0.bytes() })
          let end = try await attacker.first("a reset of stream \(stream), or GOAWAY") { arrival -> Frame? in
            guard case .frame(let frame) = arrival, frame.errorCode != nil else { return nil }
            return frame
          }
          guard end.kind == Frame.Kind.resetStream else {
            #expect(end.errorCode == ErrorCode.enhanceYourCalm.rawValue)
            break
          }
          resets += 1
        }
        // At most a thousand at once, and what was earned back meanwhile; fewer where the frames cost more than the resets.
        #expect((10..<4000).contains(resets))
        try await siege.expectClose("ENHANCE_YOUR_CALM")
      }
    }

    /// Ways to have one stream reset by the server, and no more than the stream.
    enum Misdeed: String, CaseIterable, Sendable, CustomTestStringConvertible {
      case windowOverflow = "a window above 2^31-1"
      case badTrailers = "a pseudo-field in trailers"
      case wrongLength = "more body than content-length"
      case badHead = "a name in upper case"
      case bigHead = "too large a header list"

      var testDescription: String { rawValue }

      func frames(_ stream: UInt32) -> [Frame] {
        let open = Frame.headers(stream, ADS.head, endStream: false)
        return switch self {
        case .windowOverflow: [open, .windowUpdate(stream, 0x7fff_ffff)]
        case .badTrailers: [open, .headers(stream, HPACK.block([(":path", "/")]))]
        case .wrongLength:
          [
            .headers(stream, ADS.head + HPACK.block([("content-length", "1")]), endStream: false),
            .data(stream, [0, 0]),
          ]
        case .badHead: [.headers(stream, ADS.head + HPACK.block([("X-BAD", "1")]), endStream: false)]
        case .bigHead: [.headers(stream, ADS.head + HeaderFloods.bomb, endStream: false)]
        }
      }
    }
  }
}

extension Frame {
  fileprivate var needsAnswer: Bool {
    (kind == Kind.ping || kind == Kind.settings) && !isAcknowledgement
  }
}

extension RawConnection {
  /// Counts answers to PINGs and SETTINGS until all are here, or the connection was ended with ENHANCE_YOUR_CALM.
  fileprivate func isServedOrCalmed(answers: Int) async throws {
    send(.ping([9, 9, 9, 9, 9, 9, 9, 9]))
    var left = answers + 1
    try await first("\(answers) answers") { arrival -> Void? in
      guard case .frame(let frame) = arrival else { return () }
      if frame.kind == Frame.Kind.goAway {
        #expect(frame.errorCode == ErrorCode.enhanceYourCalm.rawValue)
        return ()
      }
      if frame.isAcknowledgement { left -= 1 }
      return left == 0 ? () : nil
    }
  }
}
