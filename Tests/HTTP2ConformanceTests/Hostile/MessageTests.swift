import EnvoyAPI
import GRPCTransport
import NIOCore
import Testing

extension HostileBytes {
  @Suite("gRPC and xDS messages") struct Messages {
    @Test("a length prefix of 4 GB: RESOURCE_EXHAUSTED") func fourGigabytes() async throws {
      try await Self.ends(Request.message([], length: .max), "8")
    }

    @Test("a message one byte above the limit: RESOURCE_EXHAUSTED") func aboveTheLimit() async throws {
      try await Self.ends(Request.message([1, 2, 3], length: UInt32(Self.limit + 1)), "8")
    }

    @Test("a compressed message: UNIMPLEMENTED; an unknown flag: INTERNAL") func flags() async throws {
      try await Self.ends(Request.message(ADS.request(), flag: 1), "12")
      try await Self.ends(Request.message(ADS.request(), flag: 0x80), "13")
    }

    @Test("a message that the end of the stream cuts off: INTERNAL") func cutOff() async throws {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.send(
          .headers(1, ADS.head, endStream: false), .data(1, Array(ADS.subscription().dropLast()), endStream: true))
        #expect(try await attacker.grpcStatus() == "13")
        attacker.close()
      }
    }

    @Test("truncated protobuf, cut at every byte: INVALID_ARGUMENT, or a request that is whole") func truncated()
      async throws
    {
      try await Siege.run { siege in
        let attacker = try await siege.join()
        let whole = ADS.request(["a", "b"])
        var refused = 0
        for count in 1..<whole.count {
          let stream = UInt32(2 * count - 1)
          attacker.send(
            .headers(stream, ADS.head, endStream: false),
            .data(stream, Request.message(Array(whole.prefix(count))), endStream: true))
          let status = try await attacker.grpcStatus(of: stream)
          #expect(status == "3" || status == "0")
          refused += status == "3" ? 1 : 0
        }
        #expect(refused > whole.count / 2)
        attacker.close()
      }
    }

    @Test(
      "bytes that are no protobuf: INVALID_ARGUMENT",
      arguments: [
        [UInt8](repeating: 0xff, count: 100), [0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f], [0x07, 1, 2, 3],
        [0x0b, 0x0b, 0x0b],
      ]) func noProtobuf(_ bytes: [UInt8]) async throws
    {
      try await Self.ends(Request.message(bytes), "3")
    }

    @Test("Node.metadata nested 3,000 deep: INVALID_ARGUMENT") func deepMetadata() async throws {
      let request = Self.requestWithMetadata(depth: 3000)
      #expect(request.count > 20_000 && request.count < 60_000)
      try await Self.ends(Request.message(request), "3")
      // The shape is right: a shallow one is taken.
      try await Siege.run { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, Request.message(Self.requestWithMetadata(depth: 10)))
        _ = try await attacker.first("a response") { arrival -> Void? in
          if case .frame(let frame) = arrival, frame.kind == Frame.Kind.data { () } else { nil }
        }
        attacker.close()
      }
    }

    @Test(
      "names that are not UTF-8, or hold a NUL: INVALID_ARGUMENT",
      arguments: [
        [0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80], [0x61, 0x00, 0x62],
      ] as [[UInt8]]) func badNames(_ name: [UInt8]) async throws
    {
      // resource_names_subscribe, and the node's id.
      try await Self.ends(Request.message(ADS.request() + Self.field(3, name)), "3")
      try await Self.ends(Request.message(Self.field(1, Self.field(1, name))), "3")
    }

    @Test("a subscription of a million names, above the message limit: RESOURCE_EXHAUSTED") func aMillionNames()
      async throws
    {
      var configuration = GRPCServerConfiguration()
      configuration.maxMessageSize = 8 << 20
      // Each name is seven digits.
      var names = [UInt8](repeating: UInt8(ascii: "0"), count: 9_000_000)
      names.withUnsafeMutableBufferPointer { bytes in
        for index in 0..<1_000_000 {
          bytes[9 * index] = 3 << 3 | 2
          bytes[9 * index + 1] = 7
          var number = index
          for digit in 0..<6 {
            bytes[9 * index + 8 - digit] += UInt8(number % 10)
            number /= 10
          }
        }
      }
      #expect(names.count > 8 << 20)
      let message = Request.message(ADS.request() + names)
      try await Siege.run(configuration) { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, message)
        #expect(try await attacker.grpcStatus() == "8")
        attacker.close()
      }
    }

    @Test("a subscription of as many names as fit: answered") func asManyNamesAsFit() async throws {
      var configuration = GRPCServerConfiguration()
      configuration.maxMessageSize = Self.limit
      var names: [String] = []
      var request = ADS.request()
      while request.count < Self.limit - 64 {
        names.append("\(1_000_000 + names.count)")
        request += Self.field(3, Array(names[names.count - 1].utf8))
      }
      let message = Request.message(request)
      let count = names.count
      #expect(count > 20_000)
      try await Siege.run(configuration) { siege in
        let attacker = try await siege.connect()
        try await attacker.handshake([Setting.initialWindowSize: 0x7fff_ffff])
        attacker.send(.windowUpdate(0, 0x7000_0000))
        attacker.callADS(1, message)
        // Names that do not exist are all answered as removed.
        var bytes: [UInt8] = []
        let response = try await attacker.first("a whole response") { arrival -> DeltaDiscoveryResponse? in
          guard case .frame(let frame) = arrival, frame.kind == Frame.Kind.data else { return nil }
          bytes += frame.payload
          let length = bytes.count < 5 ? Int.max : bytes[1..<5].reduce(0) { $0 << 8 | Int($1) }
          return bytes.count - 5 >= length ? try DeltaDiscoveryResponse(decoding: Array(bytes[5..<5 + length])) : nil
        }
        #expect(response.removedResources.count == count)
        attacker.close()
      }
    }

    // MARK: By hand

    private static let limit = 256 << 10

    /// These bytes on an xDS stream end it with this status, and the connection lives.
    private static func ends(_ body: [UInt8], _ status: String) async throws {
      var configuration = GRPCServerConfiguration()
      configuration.maxMessageSize = limit
      try await Siege.run(configuration) { siege in
        let attacker = try await siege.join()
        attacker.callADS(1, body)
        #expect(try await attacker.grpcStatus() == status)
        _ = try await attacker.settled()
        attacker.close()
      }
    }

    /// A length-delimited field.
    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
      var length = bytes.count
      var head = [number << 3 | 2]
      while length > 127 {
        head.append(UInt8(length & 0x7f) | 0x80)
        length >>= 7
      }
      return head + [UInt8(length)] + bytes
    }

    /// `Node{id, metadata: Struct{fields: {"": Value{struct_value: Struct{…}}}}}`, and a type.
    private static func requestWithMetadata(depth: Int) -> [UInt8] {
      var metadata: [UInt8] = []
      for _ in 0..<depth {
        let value = field(5, metadata)
        metadata = field(1, field(2, value))
      }
      let node = field(1, Array("deep".utf8)) + field(3, metadata)
      return field(1, node) + field(2, Array(TypeURL.cluster.utf8))
    }
  }
}
