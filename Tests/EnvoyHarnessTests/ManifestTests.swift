import EnvoyHarness
import Foundation
import Testing

@Suite("Manifests and what is read back")
struct ManifestTests {
  @Test("The YAML says what was asked for, by PyYAML's or anyone's reading")
  func yaml() {
    let slice = EndpointSliceManifest(
      "reviews-1", service: "reviews", ports: ["http": 9080],
      endpoints: [.init("127.0.0.2", pod: "reviews-v1-a", zone: "a"), .init("127.0.0.3", state: .draining)])
    #expect(
      slice.yaml == """
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata:
          name: reviews-1
          namespace: default
          labels:
            kubernetes.io/service-name: "reviews"
        addressType: IPv4
        ports:
        - name: http
          port: 9080
          protocol: TCP
        endpoints:
        - addresses: ["127.0.0.2"]
          conditions: {ready: true, serving: true, terminating: false}
          zone: a
          targetRef: {kind: Pod, name: reviews-v1-a, namespace: default}
        - addresses: ["127.0.0.3"]
          conditions: {ready: false, serving: true, terminating: true}

        """)
    let routes = VirtualServiceManifest(
      "reviews", hosts: ["reviews"],
      routes: [
        .init(prefix: "/beta", headers: ["x-user": "ann"], to: [.init("reviews", subset: "v2")]),
        .init(to: [.init("reviews", subset: "v1", weight: 90), .init("reviews", subset: "v2", weight: 10)]),
      ])
    #expect(
      routes.yaml == """
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata:
          name: reviews
          namespace: default
        spec:
          hosts:
          - "reviews"
          http:
          - match:
            - {uri: {prefix: "/beta"}, headers: {x-user: {exact: "ann"}}}
            route:
            - destination:
                host: reviews
                subset: v2
          - route:
            - destination:
                host: reviews
                subset: v1
              weight: 90
            - destination:
                host: reviews
                subset: v2
              weight: 10

        """)
  }

  @Test("Files are replaced whole, rewritten in place, edited and removed")
  func files() throws {
    let directory = TemporaryDirectory(prefix: "weir-manifest-test")
    defer { directory.remove() }
    let manifests = try ManifestDirectory(in: directory)
    try manifests.write("a.yaml", [ServiceManifest("a"), PodManifest("a-1", labels: ["version": "v1"])])
    #expect(try manifests.read("a.yaml").components(separatedBy: "---\n").count == 2)
    let inode = try FileManager.default.attributesOfItem(atPath: manifests.path + "/a.yaml")[.systemFileNumber] as? Int
    try manifests.writeInPlace("a.yaml", [ServiceManifest("b")])
    let same = try FileManager.default.attributesOfItem(atPath: manifests.path + "/a.yaml")[.systemFileNumber] as? Int
    #expect(inode == same)
    try manifests.edit("a.yaml") { $0 = $0.replacingOccurrences(of: "name: b", with: "name: c") }
    #expect(try manifests.read("a.yaml").contains("name: c"))
    #expect(throws: HarnessError.self) { try manifests.edit("a.yaml") { _ in } }
    #expect(manifests.files == ["a.yaml"])
    try manifests.remove("a.yaml")
    #expect(manifests.files.isEmpty)
  }

  @Test("Prometheus text is read with labels, escapes and exponents")
  func metrics() {
    let metrics = Metrics(
      text: """
        # HELP pushes Pushes.
        # TYPE pushes counter
        pushes{type="cds",outcome="ack"} 3
        pushes{type="eds",outcome="ack"} 4.5e1
        streams 2
        odd{reason="a \\"b\\" c, d=e"} 1
        """)
    #expect(metrics.sum("pushes") == 48)
    #expect(metrics.sum("pushes", ["type": "eds"]) == 45)
    #expect(metrics.sum("streams") == 2)
    #expect(metrics.sum("absent") == 0)
    #expect(metrics.samples.contains { $0.labels["reason"] == #"a \"b\" c, d=e"# })
    #expect(metrics.names == ["pushes", "streams", "odd"])
  }

  @Test("Loopback addresses never repeat and are never 127.0.x")
  func loopback() {
    let addresses = (0..<1000).map { _ in LoopbackAddress.next() }
    #expect(Set(addresses).count == 1000)
    #expect(addresses.allSatisfy { $0.hasPrefix("127.") && !$0.hasPrefix("127.0.") })
  }

  @Test("A TCP backend answers a line")
  func tcp() async throws {
    let backend = try await TCPBackend.start("ledger")
    #expect(try await TCPCall.exchange(backend.address, line: "hello") == "ledger: hello")
    await backend.stop()
    await #expect(throws: HarnessError.self) { try await TCPCall.exchange(backend.address, line: "hello") }
  }
}
