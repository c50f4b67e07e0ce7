import GRPCTransport
import NIOCore
import Testing

/// Bytes that no client should send, over real sockets. Each attack is alone with a server and a bystander; see `Siege` for
/// what is true after each of them.
@Suite("Hostile bytes", .serialized, .timeLimit(.minutes(2))) enum HostileBytes {}

extension HostileBytes {
  @Suite("Noise") struct Noise {
    @Test("garbage instead of a preface: PROTOCOL_ERROR") func garbage() async throws {
      let seed: UInt64 = 0x5eed
      print("garbage: seed \(seed)")
      try await Siege.run { siege in
        var generator = SplitMix(state: seed)
        for _ in 0..<50 {
          let attacker = try await siege.connect()
          attacker.send(bytes: (0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) })
          let last = try await attacker.untilClosed().last
          #expect(last?.errorCode == ErrorCode.protocolError.rawValue)
        }
      }
    }

    @Test("garbage after the preface: the connection ends or lives, and nothing else happens") func frames()
      async throws
    {
      let seed: UInt64 = 0xf4a3e
      print("garbage after the preface: seed \(seed)")
      try await Siege.run { siege in
        var generator = SplitMix(state: seed)
        for _ in 0..<50 {
          let attacker = try await siege.join()
          for _ in 0..<8 {
            let payload = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
              UInt8.random(in: 0...255, using: &generator)
            }
            attacker.send(
              Frame(
                kind: UInt8.random(in: 0...10, using: &generator), flags: UInt8.random(in: 0...255, using: &generator),
                stream: UInt32.random(in: 0...5, using: &generator), payload: payload))
          }
          attacker.send(.ping([0, 0, 0, 0, 0, 0, 0, 0]))
          _ = try await attacker.next()
          attacker.close()
        }
      }
    }

    @Test(
      "HTTP/1.1 on the port: closed",
      arguments: [
        "GET / HTTP/1.1\r\nHost: weir\r\n\r\n", "POST /v3/discovery:clusters HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}",
        "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
      ]) func http1(_ request: String) async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.connect()
        attacker.send(bytes: Array(request.utf8))
        #expect(try await attacker.untilClosed().last?.errorCode == ErrorCode.protocolError.rawValue)
        try await siege.expectClose("does not speak HTTP/2")
      }
    }

    @Test(
      "frames that announce 16 MB: FRAME_SIZE_ERROR",
      arguments: [
        Frame.data(1, []), .headers(1, []), .settings(), .ping([]), .goAway(), .windowUpdate(0, 1),
        .continuation(1, []),
        Frame(kind: 0x77),
      ]) func oversizedFrames(_ frame: Frame) async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(bytes: frame.bytes(length: 0xff_ffff))
        #expect(try await attacker.untilClosed().last?.errorCode == ErrorCode.frameSizeError.rawValue)
      }
    }
  }

  @Suite("Half-open connections and storms") struct HalfOpen {
    @Test("connected, and silent: closed after the preface time") func noPreface() async throws {
      try await Siege.run(Self.impatient) { siege in
        let attackers = try await siege.connectMany(200)
        for attacker in attackers {
          #expect(try await attacker.untilClosed().last?.kind == Frame.Kind.goAway)
        }
        try await siege.expectClose("preface")
      }
    }

    @Test("the magic, and no SETTINGS: closed after the preface time") func prefaceOnly() async throws {
      try await Siege.run(Self.impatient) { siege in
        let attackers = try await siege.connectMany(200)
        for attacker in attackers { attacker.send(bytes: Array(Frame.preface.prefix(17))) }
        for attacker in attackers.prefix(100) { attacker.send(bytes: Array(Frame.preface.dropFirst(17))) }
        for attacker in attackers {
          #expect(try await attacker.untilClosed().last?.kind == Frame.Kind.goAway)
        }
        try await siege.expectClose("preface")
      }
    }

    @Test("a peer that vanishes without a FIN: closed by keepalive") func vanished() async throws {
      try await Siege.run(Self.probing) { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, ADS.subscription())
        try await attacker.stopReading()
        try await siege.expectClose("keepalive")
      }
    }

    @Test("a stream that never ends its headers: closed by keepalive") func endlessHeaders() async throws {
      try await Siege.run(Self.probing) { siege in
        let attacker = try await siege.join()
        attacker.send(.headers(1, ADS.head, endHeaders: false))
        try await siege.expectClose("keepalive")
        #expect(siege.grpc.acceptedCallCount == 1)
      }
    }

    @Test("2,000 connections that come and go, with and without a preface, streams and requests") func storm()
      async throws
    {
      try await Siege.run { siege in
        for round in 0..<40 {
          let attackers = try await siege.connectMany(50)
          for (index, attacker) in attackers.enumerated() {
            if (index + round) % 4 > 0 { attacker.send(bytes: Frame.preface + Frame.settings().bytes()) }
            if (index + round) % 4 > 1 { attacker.send(.headers(1, ADS.head, endStream: false)) }
            if (index + round) % 4 > 2 { attacker.send(.data(1, ADS.subscription())) }
            attacker.close()
          }
        }
        try await eventually("all were accepted") { siege.grpc.acceptedConnectionCount == 2001 }
      }
    }

    private static var impatient: GRPCServerConfiguration {
      var configuration = GRPCServerConfiguration()
      configuration.prefaceTimeout = .milliseconds(300)
      return configuration
    }

    private static var probing: GRPCServerConfiguration {
      var configuration = GRPCServerConfiguration()
      configuration.keepaliveInterval = .milliseconds(300)
      configuration.keepaliveTimeout = .milliseconds(300)
      return configuration
    }
  }
}

extension Siege {
  func connectMany(_ count: Int) async throws -> [RawConnection] {
    try await withThrowingTaskGroup(of: RawConnection.self) { group in
      for _ in 0..<count { group.addTask { try await self.connect() } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
