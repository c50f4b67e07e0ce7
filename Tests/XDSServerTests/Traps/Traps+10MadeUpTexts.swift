import EnvoyAPI
import GRPCTransport
import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("10 Texts that clients make up") struct MadeUpTexts {
    /// Where a request has text, as its fields are named.
    enum Field: String, CaseIterable {
      case typeURL = "type_url"
      case nonce = "response_nonce"
      case name = "resource_names"
      case error = "message"
      case nodeID = "id"
      case cluster = "cluster"
      case zone = "zone"
      case metadataKey = "key"
      case metadataValue = "string_value"
      case userAgent = "user_agent_name"
    }

    /// Valid UTF-8 without a zero byte. To sort these marks, of which the later ones come first, takes 400 kB minutes.
    static func marks(_ byteCount: Int) -> String {
      String(repeating: "\u{301}", count: byteCount / 4) + String(repeating: "\u{323}", count: byteCount / 4)
    }

    private func send(_ text: String, in field: Field, on stream: RawStream) {
      var node = NodeIdentity(id: "test")
      var (name, nonce, url): (String?, String, String) = (nil, "", TypeURL.endpoint)
      var error: ErrorDetail?
      switch field {
      case .typeURL: url = text
      case .nonce: nonce = text
      case .name: name = text
      case .error: error = ErrorDetail(code: 13, message: text)
      case .nodeID: node.id = text
      case .cluster: node.cluster = text
      case .zone: node.zone = text
      case .metadataKey: node.metadata = [text: .null]
      case .metadataValue: node.metadata = ["a": .list([.string(text)])]
      case .userAgent: node.userAgentName = text
      }
      stream.node = node
      switch stream.variant {
      case .delta:
        var request = DeltaDiscoveryRequest()
        request.typeURL = url
        request.resourceNamesSubscribe = name.map { [$0] } ?? []
        request.responseNonce = nonce
        request.errorDetail = error
        stream.send(request, nil)
      case .stateOfTheWorld:
        var request = DiscoveryRequest()
        request.typeURL = url
        request.resourceNames = name.map { [$0] } ?? []
        request.responseNonce = nonce
        request.errorDetail = error
        stream.send(request, nil)
      }
    }

    @Test(
      "10.7 a run of combining marks in any text: INVALID_ARGUMENT that names the field, at once, and a neighbour on the same event loop is served (ADS; SotW, delta)",
      arguments: Field.allCases, XDSProtocol.allCases)
    func marks(_ field: Field, _ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.of(.listener, "a")) { server, world in
        let bystander = try await server.open(variant)
        bystander.subscribe(.listener)
        bystander.ack(try await bystander.expect(.listener, ["a"], of: world))
        let attackers = try await [server.open(variant), server.open(variant)]
        for attacker in attackers {
          // A name has at most 4,096 bytes, and the test's own dictionary compares keys as Swift does.
          send(Self.marks(field == .name || field == .metadataKey ? 4000 : 400_000), in: field, on: attacker)
        }
        for attacker in attackers {
          let status = try await attacker.status()
          #expect(status.code == .invalidArgument)
          #expect(status.message.contains(field.rawValue), "\(status.message)")
        }
        world.set(.listener, "a", version: 2)
        try await server.publish(&world, after: bystander)
        bystander.ack(try await bystander.expect(.listener, ["a"], of: world))
        try await bystander.expectNothingMore()
      }
    }

    @Test(
      "10.8 a type URL or a nonce that is not ASCII, or has more bytes than any: INVALID_ARGUMENT that names it (SotW, delta)",
      arguments: [Field.typeURL, .nonce], XDSProtocol.allCases)
    func notASCII(_ field: Field, _ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.of(.listener, "a")) { server, _ in
        for text in ["type.googleapis.com/caf\u{E9}", String(repeating: "a", count: 1025)] {
          let stream = try await server.open(variant)
          send(text, in: field, on: stream)
          let status = try await stream.status()
          #expect(status.code == .invalidArgument)
          #expect(status.message.contains(field.rawValue), "\(status.message)")
        }
      }
    }

    @Test(
      "10.9 names in other scripts: served like others (every type and service; SotW, delta)", arguments: Flow.all)
    func otherScripts(_ flow: Flow) async throws {
      let names = ["caf\u{E9}", "हिन्दी", "東京-80", "ที่นี่", "ελληνικά", "עִבְרִית", "👩‍👩‍👧", "Việt"]
      var world = World.empty
      for name in names { world.set(flow.type, name) }
      try await RunningServer.serving(world) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, names)
        stream.ack(try await stream.expect(flow.type, names, of: world))
        world.set(flow.type, names[3], version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, [names[3]], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "10.10 a path that is not ASCII: the call is reset, the connection lives (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func path(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.of(.listener, "a")) { server, world in
        let client = try await server.client(.init())
        for _ in 0..<10 {
          let stream = try await server.open(variant, method: "/" + Self.marks(12_000), on: client)
          #expect(try await stream.status().code != .ok)
        }
        let stream = try await server.open(variant, on: client)
        stream.subscribe(.listener)
        stream.ack(try await stream.expect(.listener, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
