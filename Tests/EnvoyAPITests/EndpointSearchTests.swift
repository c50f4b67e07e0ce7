import EnvoyAPI
import Testing

@Suite struct EndpointSearchTests {
  private static func isServing(_ search: EndpointSearch?, _ endpoints: [LbEndpoint]) -> Bool? {
    let bytes =
      ClusterLoadAssignment.encodedHeader(clusterName: "outbound|80||10.0.0.1")
      + LocalityEndpoints(region: "r", zone: "10.0.0.1", endpoints: endpoints).encodedFragment()
    let whole = bytes.withUnsafeBytes { search?.isServing(inAssignment: $0) }
    // Alone each says the same.
    let alone = endpoints.compactMap { $0.encodedAlone() }.contains { bytes in
      bytes.withUnsafeBytes { search?.isServing(inEndpoint: $0) } ?? false
    }
    #expect(whole == nil || whole == alone)
    return whole
  }

  @Test func anEndpointIsFoundByAddressAndPort() {
    let search = EndpointSearch(address: "10.0.0.1", port: 8080)
    func one(_ address: String, _ port: UInt16, _ health: LbEndpoint.Health = .healthy) -> LbEndpoint {
      LbEndpoint(address: address, port: port, health: health)
    }
    #expect(Self.isServing(search, []) == false)
    #expect(Self.isServing(search, [one("10.0.0.1", 8080)]) == true)
    #expect(Self.isServing(search, [one("10.0.0.2", 80), one("10.0.0.1", 8080)]) == true)
    #expect(Self.isServing(search, [one("10.0.0.1", 8080, .draining)]) == false)
    #expect(Self.isServing(search, [one("10.0.0.1", 8081), one("10.0.0.2", 8080)]) == false)
    #expect(Self.isServing(search, [one("10.0.0.11", 8080), one("110.0.0.1", 8080)]) == false)
    #expect(Self.isServing(search, [one("10.0.0.1", 8080, .draining), one("10.0.0.1", 8080)]) == true)
  }

  @Test func anIPv6AddressHasManySpellings() {
    let search = EndpointSearch(address: "2001:DB8:0::1", port: 80)
    #expect(Self.isServing(search, [LbEndpoint(address: "2001:db8::1", port: 80, health: .healthy)]) == true)
    #expect(Self.isServing(search, [LbEndpoint(address: "2001:db8::2", port: 80, health: .healthy)]) == false)
  }

  @Test func whatIsNoAddressIsNotLookedFor() {
    for text in ["", "localhost", "10.0.0", "10.0.0.1:80", "::g"] {
      #expect(EndpointSearch(address: text, port: 80) == nil, "\(text)")
    }
  }

  @Test func whatCannotBeReadMightBeIt() {
    let bytes: [UInt8] = [0x12, 0xff] + Array("10.0.0.1".utf8)
    let search = EndpointSearch(address: "10.0.0.1", port: 80)
    #expect(bytes.withUnsafeBytes { search?.isServing(inAssignment: $0) } == true)
  }
}
