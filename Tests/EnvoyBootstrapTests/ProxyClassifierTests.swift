import EnvoyAPI
import EnvoyBootstrap
import Testing
import XDSSnapshot

@Suite struct ProxyClassifierTests {
  private let plain = ProxyClass(kind: .sidecar, namespace: "default", listenHost: "127.0.0.1", listenPort: 15001)

  @Test func aNodeWithoutKeysIsASidecarInDefault() {
    #expect(ProxyClassifier.classify([:]) == .init(proxyClass: plain))
    #expect(ProxyClassifier.classify(["CLUSTER_ID": .string("x")]) == .init(proxyClass: plain))
  }

  /// What is not known to understand it must not get it.
  @Test(arguments: [
    ("envoy", "1.40.0", true), ("envoy", "1.41.2", true), ("envoy", "2.0.0", true), ("envoy", "1.39.9", false),
    ("envoy", "", false), ("envoy", "1", false), ("envoy", "one.40", false), ("gRPC C-core", "1.60.0", false),
    ("", "1.40.0", false),
  ])
  func portionsAreForEnvoysThatWereMeasured(_ name: String, _ version: String, _ isCapable: Bool) {
    let node = NodeIdentity(id: "a", userAgentName: name, userAgentVersion: version)
    #expect(ProxyClassifier.takesPortions(node) == isCapable)
  }

  /// Flags are pairs of characters, and which are pairs is counted from the first: to look at 60,000 of them from the last takes
  /// minutes.
  @Test(.timeLimit(.minutes(1))) func longTextsAreNotReadCharacterByCharacter() {
    let flags = String(repeating: "\u{1F1E9}", count: 60_000)
    let classification = ProxyClassifier.classify([
      "WEIR_LISTEN": .string(flags), "NAMESPACE": .string(flags), "WEIR_KIND": .string(flags),
    ])
    #expect(classification.proxyClass == plain)
    #expect(classification.notes.count == 3 && classification.notes.allSatisfy { $0.utf8.count < 300 })
    #expect(!ProxyClassifier.takesPortions(NodeIdentity(id: "a", userAgentName: "envoy", userAgentVersion: flags)))
  }

  @Test func clustersOnDemandAreAsTheNodeSays() {
    var node = NodeIdentity(id: "a", userAgentName: "envoy", userAgentVersion: "1.40.0")
    #expect(!ProxyClassifier.fetchesClusters(node, default: false))
    #expect(ProxyClassifier.fetchesClusters(node, default: true))
    node.metadata = ["WEIR_ON_DEMAND": .string("true")]
    #expect(ProxyClassifier.fetchesClusters(node, default: false))
    node.metadata = ["WEIR_ON_DEMAND": .string("false")]
    #expect(!ProxyClassifier.fetchesClusters(node, default: true))
    node.metadata = ["WEIR_ON_DEMAND": .string("true")]
    node.userAgentName = "gRPC"
    #expect(!ProxyClassifier.fetchesClusters(node, default: true))
  }

  @Test func theKeysAreRead() {
    let classification = ProxyClassifier.classify([
      "NAMESPACE": .string("shop"), "WEIR_KIND": .string("sidecar"), "WEIR_LISTEN": .string("[::1]:0"),
      "LABELS": .object(["app": .string("reviews")]),
    ])
    let expected = ProxyClass(kind: .sidecar, namespace: "shop", listenHost: "::1", listenPort: 0)
    #expect(classification == .init(proxyClass: expected))
  }

  @Test(arguments: [
    (NodeMetadata.namespace, MetadataValue.number(5), "it is not a string"),
    (NodeMetadata.namespace, .null, "it is not a string"),
    (NodeMetadata.namespace, .string(""), "\"\" is not the name of a namespace"),
    (NodeMetadata.namespace, .string("Shop"), "\"Shop\" is not the name of a namespace"),
    (NodeMetadata.namespace, .string("a.b"), "\"a.b\" is not the name of a namespace"),
    (NodeMetadata.namespace, .string("-a"), "\"-a\" is not the name of a namespace"),
    (NodeMetadata.kind, .string("router"), "\"router\" is no kind of proxy"),
    (NodeMetadata.kind, .list([.string("sidecar")]), "it is not a string"),
    (NodeMetadata.listen, .string("127.0.0.1"), "\"127.0.0.1\" is not HOST:PORT"),
    (NodeMetadata.listen, .string("::1:15001"), "\"::1:15001\" is not HOST:PORT"),
    (NodeMetadata.listen, .string("localhost:15001"), "\"localhost:15001\" does not name an IP address"),
    (NodeMetadata.listen, .string("127.0.0.1:70000"), "\"127.0.0.1:70000\" is not HOST:PORT"),
    (NodeMetadata.listen, .object(["port": .number(1)]), "it is not a string"),
  ])
  func whatMakesNoSenseFallsBackWithANote(key: String, value: MetadataValue, reason: String) throws {
    let classification = ProxyClassifier.classify([key: value])
    #expect(classification.proxyClass == plain)
    let note = try #require(classification.notes.first)
    #expect(classification.notes.count == 1)
    #expect(note.hasPrefix("\(key) is ignored"))
    #expect(note.hasSuffix(reason))
  }

  @Test func oneBadKeyLeavesTheOthers() {
    let classification = ProxyClassifier.classify([
      "NAMESPACE": .string("shop"), "WEIR_LISTEN": .string("nowhere"), "WEIR_KIND": .bool(true),
    ])
    #expect(classification.proxyClass.namespace == "shop")
    #expect(classification.proxyClass.listenPort == 15001)
    #expect(classification.notes.count == 2)
  }

  @Test func aNoteDoesNotRepeatAMegabyte() throws {
    for key in [NodeMetadata.namespace, NodeMetadata.kind, NodeMetadata.listen] {
      let classification = ProxyClassifier.classify([key: .string(String(repeating: "x", count: 1 << 20))])
      #expect(try #require(classification.notes.first).count < 300)
    }
  }

  @Test(arguments: SidecarBootstrap.DiscoveryProtocol.allCases)
  func whatABootstrapWritesIsReadBack(discoveryProtocol: SidecarBootstrap.DiscoveryProtocol) throws {
    let bootstrap = SidecarBootstrap(
      nodeID: "reviews-1", namespace: "shop", labels: ["app": "reviews"],
      xds: .plain(HostPort(host: "127.0.0.1", port: 15010)),
      listen: HostPort(host: "::1", port: 9), discoveryProtocol: discoveryProtocol)
    let metadata = try Document(bootstrap).metadata()
    #expect(
      ProxyClassifier.classify(metadata)
        == .init(proxyClass: ProxyClass(namespace: "shop", listenHost: "::1", listenPort: 9)))
    #expect(metadata["LABELS"] == .object(["app": .string("reviews")]))
  }
}
