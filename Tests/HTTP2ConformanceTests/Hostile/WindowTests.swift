import GRPCTransport
import NIOCore
import Testing

extension HostileBytes {
  @Suite("Window games") struct Windows {
    @Test("a zero window, opened by one byte at a time: DATA of one byte") func byteByByte() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.connect()
        try await attacker.handshake([Setting.initialWindowSize: 0])
        attacker.callADS(1, ADS.subscription())
        for _ in 0..<20 {
          attacker.send(.windowUpdate(1, 1))
          try await attacker.expectData(1, on: 1)
        }
        attacker.close()
      }
    }

    @Test("a window that becomes negative stays so until it is given back") func negative() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.connect()
        try await attacker.handshake([Setting.initialWindowSize: 30])
        attacker.callADS(1, ADS.subscription())
        try await attacker.expectData(30, on: 1)
        try await attacker.set([Setting.initialWindowSize: 0])
        // -30; to 0 nothing may come, and one byte above it one.
        attacker.send(.windowUpdate(1, 30))
        #expect(try await attacker.settled().filter { $0.kind == Frame.Kind.data }.isEmpty)
        attacker.send(.windowUpdate(1, 1))
        try await attacker.expectData(1, on: 1)
        attacker.close()
      }
    }

    @Test("windows above 2^31-1: FLOW_CONTROL_ERROR of the connection, or of the stream") func overflow() async throws {
      try await Siege.run { siege in
        let connection = try await siege.join()
        connection.send(.windowUpdate(0, 0x7fff_ffff))
        #expect(try await connection.untilClosed().last?.errorCode == ErrorCode.flowControlError.rawValue)

        let stream = try await siege.join()
        stream.callADS(1, ADS.subscription())
        stream.send(.windowUpdate(1, 0x7fff_ffff))
        #expect(try await stream.resetCode() == .flowControlError)
        stream.close()

        // A change of the initial window may do it too.
        let initial = try await siege.join()
        initial.callADS(1, [])
        initial.send(.windowUpdate(1, 0x7000_0000), .settings([Setting.initialWindowSize: 0x7fff_ffff]))
        #expect(try await initial.resetCode() == .flowControlError)
        let lives = try? await initial.settled()
        withKnownIssue("RFC 9113, section 6.9.2, wants a connection error; libnghttp2 resets the stream") {
          #expect(lives == nil)
        }
        initial.close()
      }
    }

    @Test("more than the server's window: FLOW_CONTROL_ERROR") func beyondTheWindow() async throws {
      var configuration = GRPCServerConfiguration()
      configuration.streamWindow = 1000
      try await Siege.run(configuration) { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, ADS.head, endStream: false))
        // The beginning of a message, so that the call has nothing to say to it. It is long, for the window is given back as
        // the frame is read, and the first reads of a connection are small: one of them has to bring more than the window.
        attacker.send(.data(1, Request.message([UInt8](repeating: 0, count: 16_000), length: 100_000)))
        #expect(try await attacker.resetCode() == .flowControlError)
        attacker.close()
      }
    }
  }
}
