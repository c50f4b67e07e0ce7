import EnvoyAPI
import Testing

@Suite struct ResponseWriterTests {
  private static let cluster = Cluster(name: "c")
  private static let fragments = [
    RouteConfiguration.encodedHeader(name: "rc"),
    VirtualHost(name: "h", domains: ["*"], routes: []).encodedFragment(),
  ]

  private func delta() -> [UInt8] {
    var writer = DeltaResponseWriter(typeURL: TypeURL.cluster, systemVersion: "g7", reservingBytes: 100)
    let body = Self.cluster.encoded()
    writer.append(name: "c", version: "abc", bodyByteCount: body.count) { $0 += body }
    writer.append(name: "empty", version: "", bodyByteCount: 0) { _ in }
    writer.appendRemoved(name: "gone")
    writer.appendRemoved(name: "")
    return writer.finish()
  }

  @Test func deltaWithTheNonceLast() throws {
    let bytes = delta() + DeltaResponseWriter.nonceField("42")
    let response = try DeltaDiscoveryResponse(decoding: bytes)
    #expect(response.systemVersionInfo == "g7")
    #expect(response.typeURL == TypeURL.cluster)
    #expect(response.nonce == "42")
    #expect(response.removedResources == ["gone", ""])
    #expect(
      response.resources == [
        .init(name: "c", version: "abc", body: Self.cluster.encoded()), .init(name: "empty", version: "", body: []),
      ])

    let type = "envoy.service.discovery.v3.DeltaDiscoveryResponse"
    let real = try RealProtobuf.decode(type, bytes)
    #expect(try EnvoyJSON.json(type, bytes) == real)
    #expect(real.description.contains(#""nonce" : "42""#), "\(real)")
    #expect(real.description.contains(#""lbPolicy" : "LEAST_REQUEST""#), "the body is a Cluster: \(real)")
  }

  @Test func onlyTheNonceDiffersBetweenStreams() throws {
    #expect(delta() == delta())
    #expect(try DeltaDiscoveryResponse(decoding: delta()).nonce == "")
    #expect(DeltaResponseWriter.nonceField("") == [])
    #expect(DeltaResponseWriter.nonceField("42") == [5 << 3 | 2, 2, 0x34, 0x32])
  }

  @Test func stateOfTheWorldWithTheNonceLast() throws {
    var writer = StateOfTheWorldResponseWriter(versionInfo: "v9", typeURL: TypeURL.route, reservingBytes: 0)
    for _ in 0..<2 {
      writer.append(bodyByteCount: Self.fragments.map(\.count).reduce(0, +)) { bytes in
        for fragment in Self.fragments { bytes += fragment }
      }
    }
    let byteCount = writer.byteCount
    let shared = writer.finish()
    #expect(shared.count == byteCount)
    let bytes = shared + StateOfTheWorldResponseWriter.nonceField("n")
    let response = try DiscoveryResponse(decoding: bytes)
    #expect(response.versionInfo == "v9")
    #expect(response.typeURL == TypeURL.route)
    #expect(response.nonce == "n")
    #expect(response.resources == [Self.fragments.flatMap { $0 }, Self.fragments.flatMap { $0 }])

    let type = "envoy.service.discovery.v3.DiscoveryResponse"
    let real = try RealProtobuf.decode(type, bytes)
    #expect(try EnvoyJSON.json(type, bytes) == real)
    #expect(real.description.contains(#""nonce" : "n""#), "\(real)")
  }

  /// Lengths around each number of bytes that a varint takes.
  @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
  func bodiesOfEveryLength(_ count: Int) throws {
    let body = [UInt8](repeating: 0xA5, count: count)
    let name = String(repeating: "n", count: count % 300)
    var writer = DeltaResponseWriter(typeURL: TypeURL.cluster, systemVersion: "", reservingBytes: count)
    writer.append(name: name, version: "v", bodyByteCount: count) { $0 += body }
    let response = try DeltaDiscoveryResponse(decoding: writer.finish())
    #expect(response.resources == [.init(name: name, version: "v", body: body)])
  }

  @Test func aHeartbeatHasNoBody() throws {
    let bytes = try RealProtobuf.encode(
      "envoy.service.discovery.v3.DeltaDiscoveryResponse",
      #"{"resources": [{"name": "a", "version": "1", "ttl": "5s"}, {"name": "b", "resource": {"@type": "type.googleapis.com/google.rpc.Status"}}]}"#
    )
    let response = try DeltaDiscoveryResponse(decoding: bytes)
    #expect(response.resources.map(\.body) == [nil, []])
  }
}
