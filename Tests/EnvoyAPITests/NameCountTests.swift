import EnvoyAPI
import Testing

@Suite struct NameCountTests {
  private func exceeds(_ request: DeltaDiscoveryRequest, _ limit: Int) -> Bool {
    request.encoded().withUnsafeBytes { DeltaDiscoveryRequest.names(in: $0, exceed: limit) }
  }

  @Test func eachListOfADeltaRequestCounts() {
    let names = (0..<100).map { "n\($0)" }
    var subscribe = DeltaDiscoveryRequest()
    subscribe.node = NodeIdentity(id: "n", metadata: ["a": .list([.number(1), .string("b")])])
    subscribe.resourceNamesSubscribe = names
    var unsubscribe = DeltaDiscoveryRequest()
    unsubscribe.resourceNamesUnsubscribe = names
    var versions = DeltaDiscoveryRequest()
    versions.initialResourceVersions = Dictionary(uniqueKeysWithValues: names.map { ($0, "1") })
    for request in [subscribe, unsubscribe, versions] {
      #expect(exceeds(request, 99))
      #expect(!exceeds(request, 100))
    }
    // A client that comes back names what it holds twice.
    var both = subscribe
    both.initialResourceVersions = versions.initialResourceVersions
    #expect(!exceeds(both, 100))
  }

  @Test func namesOfAStateOfTheWorldRequest() {
    var request = DiscoveryRequest()
    request.versionInfo = "1"
    request.typeURL = TypeURL.endpoint
    request.resourceNames = [String](repeating: "", count: 50)
    let bytes = request.encoded()
    #expect(bytes.withUnsafeBytes { DiscoveryRequest.names(in: $0, exceed: 49) })
    #expect(!bytes.withUnsafeBytes { DiscoveryRequest.names(in: $0, exceed: 50) })
  }

  @Test(arguments: [
    [UInt8](repeating: 0xFF, count: 40), [0x1A, 0x7F], [0x1B, 0, 0, 0], [0x19, 0, 0],
    [0x1A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0],
  ])
  func bytesThatAreNoMessageAreLeftToTheDecoder(_ bytes: [UInt8]) {
    #expect(!bytes.withUnsafeBytes { DeltaDiscoveryRequest.names(in: $0, exceed: 0) })
  }
}
