import EnvoyAPI
import Testing

@Suite struct EndpointTests {
  private static let type = "envoy.config.endpoint.v3.ClusterLoadAssignment"

  @Test func headerAndLocalitiesMakeAnAssignment() throws {
    let east = LocalityEndpoints(
      region: "europe", zone: "east",
      endpoints: [
        LbEndpoint(address: "10.0.0.1", port: 8080, health: .healthy),
        LbEndpoint(address: "2001:db8::1", port: 65_535, health: .draining),
      ])
    let nowhere = LocalityEndpoints(
      region: "", zone: "", endpoints: [LbEndpoint(address: "10.0.0.2", port: 1, health: .healthy)])
    let bytes =
      ClusterLoadAssignment.encodedHeader(clusterName: "outbound|80||a.b") + east.encodedFragment()
      + nowhere.encodedFragment()
    let json = try RealProtobuf.decode(Self.type, bytes)
    #expect(
      json == """
        {
          "clusterName": "outbound|80||a.b",
          "endpoints": [
            {
              "locality": {"region": "europe", "zone": "east"},
              "lbEndpoints": [
                {
                  "endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": 8080}}},
                  "healthStatus": "HEALTHY"
                },
                {
                  "endpoint": {"address": {"socketAddress": {"address": "2001:db8::1", "portValue": 65535}}},
                  "healthStatus": "DRAINING"
                }
              ],
              "loadBalancingWeight": 2
            },
            {
              "locality": {},
              "lbEndpoints": [
                {
                  "endpoint": {"address": {"socketAddress": {"address": "10.0.0.2", "portValue": 1}}},
                  "healthStatus": "HEALTHY"
                }
              ],
              "loadBalancingWeight": 1
            }
          ]
        }
        """)
    #expect(try EnvoyJSON.json(Self.type, bytes) == json)
    #expect(east.encodedFragment() == east.encodedFragment())
  }

  @Test func anEmptyAssignmentIsItsHeader() throws {
    let bytes = ClusterLoadAssignment.encodedHeader(clusterName: "c")
    #expect(try RealProtobuf.decode(Self.type, bytes) == #"{"clusterName": "c"}"#)
  }

  @Test func aTemplateGivesWhatIsPacked() {
    for (index, address) in ["::1", "10.0.0.1", "10.10.10.10", "fd00::1234", "a\0b", ""].enumerated() {
      for port in [80, 8080, 65_535] as [UInt16] {
        for health in [.healthy, .draining] as [LbEndpoint.Health] {
          let endpoint = LbEndpoint(address: address, port: port, health: health)
          let locality = LocalityEndpoints(region: "r\(index)", zone: "z", endpoints: [endpoint])
          for _ in 0..<2 {
            var encoded = EncodedEndpoints()
            encoded.append(endpoint)
            #expect(
              encoded.localityFragment(region: "r\(index)", zone: "z", endpoints: 0..<1) { $0 }
                == locality.encodedFragment())
          }
        }
      }
    }
  }

  @Test func theHeaderIsTheNameField() {
    for length in 1..<300 {
      let name = String(repeating: "n", count: length)
      var expected: [UInt8] = [0x0A]
      if length < 128 {
        expected.append(UInt8(length))
      } else {
        expected += [UInt8(length & 127 | 128), UInt8(length >> 7)]
      }
      expected += name.utf8
      #expect(ClusterLoadAssignment.encodedHeader(clusterName: name) == expected)
    }
  }

  @Test func endpointsEncodedOnceMakeTheSameLocalities() {
    let all = (0..<40).map {
      LbEndpoint(address: "10.0.0.\($0)", port: UInt16($0 * 1000), health: $0 % 3 == 0 ? .draining : .healthy)
    }
    var encoded = EncodedEndpoints()
    for endpoint in all { encoded.append(endpoint) }
    var again = EncodedEndpoints()
    for index in all.indices.reversed() { again.append(index, of: encoded) }
    #expect((encoded.count, again.count) == (40, 40))
    for selection in [Array(0..<40), [0], [1, 2, 3, 9, 10, 39], [5, 4, 3], []] {
      let expected = LocalityEndpoints(region: "r", zone: "", endpoints: selection.map { all[$0] }).encodedFragment()
      let positions = 0..<selection.count
      #expect(
        encoded.localityFragment(region: "r", zone: "", endpoints: positions) { selection[$0] } == expected)
      #expect(
        again.localityFragment(region: "r", zone: "", endpoints: positions) { 39 - selection[$0] } == expected)
    }
  }

  @Test func aLocalityLargerThanTheArenaKeeps() throws {
    let endpoints = (0..<20_000).map {
      LbEndpoint(address: "10.\($0 >> 16 & 255).\($0 >> 8 & 255).\($0 & 255)", port: 80, health: .healthy)
    }
    let fragment = LocalityEndpoints(region: "r", zone: "z", endpoints: endpoints).encodedFragment()
    let text = try EnvoyJSON.render(typeURL: TypeURL.endpoint, bytes: fragment)
    #expect(text.contains(#""loadBalancingWeight":20000"#))
    #expect(text.contains(#""10.0.78.31""#), "the last one")
    #expect(text.split(separator: "socketAddress").count == 20_001)
  }
}
