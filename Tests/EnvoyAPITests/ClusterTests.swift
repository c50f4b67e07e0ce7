import Testing

@testable import EnvoyAPI

@Suite struct ClusterTests {
  private static let type = "envoy.config.cluster.v3.Cluster"

  private func decoded(_ cluster: Cluster) throws -> JSON {
    let bytes = cluster.encoded()
    let json = try RealProtobuf.decode(Self.type, bytes)
    #expect(try EnvoyJSON.json(Self.type, bytes) == json, "our rendering is the real one")
    return json
  }

  @Test func everythingAClusterSays() throws {
    let json = try decoded(
      Cluster(
        name: "outbound|80|v2|reviews.shop.svc.cluster.local", connectTimeout: Milliseconds(1_500),
        loadBalancing: .ringHash(minimumSize: 1024), speaksHTTP2: true))
    #expect(
      json == """
        {
          "name": "outbound|80|v2|reviews.shop.svc.cluster.local",
          "type": "EDS",
          "edsClusterConfig": {
            "edsConfig": {"ads": {}, "resourceApiVersion": "V3"},
            "serviceName": "outbound|80|v2|reviews.shop.svc.cluster.local"
          },
          "connectTimeout": "1.500s",
          "lbPolicy": "RING_HASH",
          "ringHashLbConfig": {"minimumRingSize": "1024"},
          "circuitBreakers": {
            "thresholds": [{
              "maxConnections": 4294967295, "maxPendingRequests": 4294967295,
              "maxRequests": 4294967295, "maxRetries": 4294967295
            }]
          },
          "commonLbConfig": {"healthyPanicThreshold": {"value": 1.0}},
          "ignoreHealthOnHostRemoval": true,
          "typedExtensionProtocolOptions": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
              "explicitHttpConfig": {"http2ProtocolOptions": {}}
            }
          }
        }
        """)
  }

  @Test func aClusterWithoutHTTP2() throws {
    let text = try decoded(Cluster(name: "c", loadBalancing: .roundRobin)).description
    #expect(!text.contains("typedExtensionProtocolOptions"))
    #expect(!text.contains("lbPolicy"), "ROUND_ROBIN is the default")
    #expect(text.contains(#""connectTimeout" : "10s""#))
  }

  @Test(arguments: [
    (Cluster.LoadBalancing.leastRequest, #""lbPolicy":"LEAST_REQUEST""#),
    (.random, #""lbPolicy":"RANDOM""#),
    (.maglev(tableSize: nil), #""lbPolicy":"MAGLEV""#),
    (.maglev(tableSize: 65_537), #""maglevLbConfig":{"tableSize":"65537"}"#),
  ])
  func loadBalancing(_ loadBalancing: Cluster.LoadBalancing, _ expected: String) throws {
    let bytes = Cluster(name: "c", loadBalancing: loadBalancing).encoded()
    let text = try EnvoyJSON.render(typeURL: TypeURL.cluster, bytes: bytes)
    #expect(text.contains(expected), "\(text)")
    #expect(try RealProtobuf.decode(Self.type, bytes) == JSON(text))
  }

  /// Names of every length that has a template, and longer ones; more kinds than are kept.
  @Test func aTemplateGivesWhatIsPacked() {
    var kinds: [Cluster.LoadBalancing] = [.roundRobin, .leastRequest, .random, .maglev(tableSize: nil)]
    kinds += (1...16).map { .ringHash(minimumSize: $0 * 100) }
    for round in 0..<2 {
      for length in 0..<200 {
        let kind = kinds[(length + round) % kinds.count]
        let name = String(repeating: "ab~é", count: length / 5) + String(repeating: "x", count: length % 5)
        let cluster = Cluster(name: name, loadBalancing: kind, speaksHTTP2: length % 2 == round)
        #expect(cluster.encoded() == cluster.packed(), "\(length)")
        #expect(cluster.encoded() == cluster.packed(), "\(length), again")
      }
    }
  }

  @Test func equalClustersHaveEqualBytes() {
    let clusters = (0..<50).map { Cluster(name: "cluster-\($0 % 5)", speaksHTTP2: $0 % 2 == 0) }
    var bytes: [Cluster: [UInt8]] = [:]
    for cluster in clusters {
      #expect(bytes[cluster, default: cluster.encoded()] == cluster.encoded())
      bytes[cluster] = cluster.encoded()
    }
    #expect(Set(bytes.values).count == bytes.count)
  }

  @Test func aZeroByteInANameCutsNothingOff() throws {
    let json = try decoded(Cluster(name: "a\0b"))
    #expect(json.description.contains(#""name" : "a\#u{FFFD}b""#), "\(json)")
  }
}
