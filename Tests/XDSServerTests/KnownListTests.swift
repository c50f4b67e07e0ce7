import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// Lists of names that are found by their bytes: another list is another subscription, however little it differs.
@Suite struct KnownListTests {
  /// So many that no request with them is a short one.
  private static let names = (100..<300).map { "service-\($0).default.svc.cluster.local/a" }

  /// What a pool would know the list by.
  private static func hash(_ list: [String], _ variant: XDSProtocol) throws -> ContentHash {
    let bytes =
      switch variant {
      case .delta:
        {
          var request = DeltaDiscoveryRequest()
          request.resourceNamesSubscribe = list
          return request.encoded()
        }()
      case .stateOfTheWorld:
        {
          var request = DiscoveryRequest()
          request.resourceNames = list
          return request.encoded()
        }()
      }
    return try bytes.withUnsafeBytes { bytes in
      #expect(bytes.count > 4096)
      let scan = try #require(RequestScan(bytes, variant))
      return NameHash.of(try #require(scan.nameList))
    }
  }

  private static func text(_ names: some Sequence<String>, version: Int) -> String {
    names.map { "E \($0) \(version)" }.sorted().joined(separator: "\n")
  }

  @Test(arguments: XDSProtocol.allCases)
  func eachListIsItsOwnSubscription(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      let names = Self.names
      let other = "service-299.default.svc.cluster.local/b"
      var world = World()
      for name in names + [other] { world.endpoint(name, version: 1) }
      server.xds.publish(world.generation())
      let pool = server.xds.shared.names

      let lists: [[String]] = [
        names, names, names, names.dropLast() + [other], names.reversed(), [names[1]] + names.dropFirst(),
        names + [names[0]],
      ]
      var streams: [RawStream] = []
      var first: RawStream.Received?
      for (index, list) in lists.enumerated() {
        let known = pool.known(list: try Self.hash(list, variant))
        #expect((known != nil) == (index == 2), "list \(index): the third finds it as the second wrote it")
        let stream = try await server.open(variant, node: .init(id: "\(index)"))
        stream.subscribe(.endpoint, list)
        let sent = try await stream.next()
        #expect(sent.text == Self.text(Set(list), version: 1) && sent.removed.isEmpty, "list \(index)")
        // In the state of the world an answer says the list once more; it is not to be what makes a list known.
        if index == 0 { first = sent } else { stream.ack(sent) }
        streams.append(stream)
        if index == 1 { streams[0].ack(try #require(first)) }
      }
      #expect(pool.count == 3)

      let changed = [names[0], names[1], names[199], other]
      for name in changed { world.endpoint(name, version: 2) }
      server.xds.publish(world.generation())
      for (index, (stream, list)) in zip(streams, lists).enumerated() {
        let sent = try await stream.next()
        #expect(sent.text == Self.text(changed.filter(list.contains), version: 2), "list \(index)")
        stream.close()
      }
    }
  }
}
