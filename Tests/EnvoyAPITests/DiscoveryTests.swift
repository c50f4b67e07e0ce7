import EnvoyAPI
import ProtobufC
import Testing

@Suite struct DiscoveryTests {
  private static let package = "envoy.service.discovery.v3."

  private static let node = NodeIdentity(
    id: "sidecar~1", cluster: "shop",
    metadata: [
      "NAMESPACE": .string("shop"), "n": .number(1.5), "none": .null, "yes": .bool(true),
      "LABELS": .object(["app": .string("réviews"), "list": .list([.number(1), .list([]), .object([:])])]),
    ], region: "europe", zone: "east", userAgentName: "envoy", userAgentVersion: "1.40.0")

  @Test func aRequestComesBackAsItWas() throws {
    var request = DiscoveryRequest()
    request.versionInfo = "v1"
    request.node = Self.node
    request.resourceNames = ["a", "", "b"]
    request.typeURL = TypeURL.cluster
    request.responseNonce = "7"
    request.errorDetail = ErrorDetail(code: 13, message: "Sum of weights … > 0")
    #expect(try DiscoveryRequest(decoding: request.encoded()) == request)
    #expect(request.encoded() == request.encoded())
    #expect(try DiscoveryRequest(decoding: []) == DiscoveryRequest())
    #expect(
      try RealProtobuf.decode(Self.package + "DiscoveryRequest", request.encoded()) == """
        {
          "versionInfo": "v1",
          "node": {
            "id": "sidecar~1",
            "cluster": "shop",
            "metadata": {
              "NAMESPACE": "shop", "n": 1.5, "none": null, "yes": true,
              "LABELS": {"app": "réviews", "list": [1, [], {}]}
            },
            "locality": {"region": "europe", "zone": "east"},
            "userAgentName": "envoy",
            "userAgentVersion": "1.40.0"
          },
          "resourceNames": ["a", "", "b"],
          "typeUrl": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
          "responseNonce": "7",
          "errorDetail": {"code": 13, "message": "Sum of weights … > 0"}
        }
        """)
  }

  @Test func aDeltaRequestComesBackAsItWas() throws {
    var request = DeltaDiscoveryRequest()
    request.node = Self.node
    request.typeURL = TypeURL.endpoint
    request.resourceNamesSubscribe = ["outbound|80||a", "*"]
    request.resourceNamesUnsubscribe = ["b"]
    request.initialResourceVersions = Dictionary(
      uniqueKeysWithValues: (0..<100).map { ("name-\($0)", "version-\($0)") })
    request.responseNonce = "8"
    request.errorDetail = ErrorDetail(code: -1, message: "")
    let bytes = request.encoded()
    #expect(try DeltaDiscoveryRequest(decoding: bytes) == request)
    #expect(try DeltaDiscoveryRequest(decoding: bytes).encoded() == bytes)
    #expect(
      try RealProtobuf.decode(Self.package + "DeltaDiscoveryRequest", bytes)
        == EnvoyJSON.json(Self.package + "DeltaDiscoveryRequest", bytes))
  }

  /// What a real Envoy sends and we do not read: hundreds of extensions, a build version, dynamic parameters.
  @Test func anEnvoysOwnNode() throws {
    let bytes = try RealProtobuf.encode(
      "envoy.config.core.v3.Node",
      """
      {
        "id": "n", "userAgentName": "envoy",
        "userAgentBuildVersion": {
          "version": {"majorNumber": 1, "minorNumber": 40, "patch": 2}, "metadata": {"ssl.version": "BoringSSL"}
        },
        "extensions": [
          {"name": "envoy.filters.http.router", "category": "envoy.filters.http", "typeUrls": ["a.b.C"]},
          {"name": "x", "category": "y", "disabled": true}
        ],
        "clientFeatures": ["envoy.lb.does_not_support_overprovisioning"],
        "listeningAddresses": [{"socketAddress": {"address": "127.0.0.1", "portValue": 80}}]
      }
      """)
    let node = try NodeIdentity(decoding: bytes)
    #expect(node == NodeIdentity(id: "n", userAgentName: "envoy", userAgentVersion: "1.40.2"))
  }

  @Test func metadataComesBackAsItWas() throws {
    let value = MetadataValue.object(Self.node.metadata)
    #expect(try MetadataValue(decoding: value.encoded()) == value)
    #expect(try MetadataValue(decoding: []) == .null)
    // protobuf: of a key given twice the last counts.
    let twice =
      try RealProtobuf.encode("google.protobuf.Struct", #"{"k": 1}"#)
      + RealProtobuf.encode("google.protobuf.Struct", #"{"k": 2}"#)
    let asValue = [UInt8(5 << 3 | 2), UInt8(twice.count)] + twice
    #expect(try MetadataValue(decoding: asValue) == .object(["k": .number(2)]))
  }

  @Test func requestsThatAreNoMessages() throws {
    #expect(throws: ProtobufError.self) { try DiscoveryRequest(decoding: [0x0A, 0x05, 0x41]) }
    #expect(throws: ProtobufError.self) { try DeltaDiscoveryRequest(decoding: [0x07]) }
    #expect(throws: ProtobufError.self) { try DiscoveryResponse(decoding: [0x0A, 0x01, 0xFF]) }
    #expect(throws: ProtobufError.self) { try DeltaDiscoveryResponse(decoding: [0x0A, 0x01, 0x00]) }
    #expect(throws: ProtobufError.self) { try NodeIdentity(decoding: [0x0A]) }
  }
}
