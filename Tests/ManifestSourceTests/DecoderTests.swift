import ManifestSource
import Testing
import TrafficModel

@Suite struct DecoderTests {
  @Test func aServiceWithItsPortsAndProtocols() throws {
    let decoded = Decoded(
      """
      apiVersion: v1
      kind: Service
      metadata:
        name: reviews
        namespace: shop
        annotations: {a: b}
      spec:
        type: LoadBalancer
        selector: {app: reviews}
        clusterIP: 10.0.0.1
        ports:
        - {name: http-web, port: 80, targetPort: web, nodePort: 30080}
        - {name: grpc, port: 81, targetPort: 8081}
        - {name: any, port: 82, appProtocol: kubernetes.io/h2c}
        - {name: http-but-not, port: 83, appProtocol: tcp}
        - {name: db, port: 84}
        - {name: ws, port: 85, appProtocol: kubernetes.io/ws}
        - {name: grpc-web-x, port: 86}
        - {name: https, port: 443}
      status: {loadBalancer: {}}
      """)
    #expect(decoded.lines == [])
    #expect(decoded.isComplete)
    let service = try #require(decoded.objects.first?.service)
    #expect(service.id == NamespacedName(namespace: "shop", name: "reviews"))
    #expect(!service.isHeadless)
    #expect(service.selector == ["app": "reviews"])
    #expect(service.ports.map(\.port) == [80, 81, 82, 83, 84, 85, 86, 443])
    #expect(
      service.ports.map(\.applicationProtocol) == [.http, .http2, .http2, .tcp, .tcp, .http, .http2, .tcp])
  }

  @Test func aHeadlessServiceMayHaveNoPorts() throws {
    let decoded = Decoded("apiVersion: v1\nkind: Service\nmetadata: {name: db}\nspec: {clusterIP: None}\n")
    #expect(decoded.lines == [])
    let service = try #require(decoded.objects.first?.service)
    #expect(service.isHeadless)
    #expect(service.id.namespace == "default")
  }

  @Test func whatAServiceCannotBeServedWithIsAWarning() throws {
    let decoded = Decoded(
      Sample.service(
        ports: "[{name: dns, port: 53, protocol: UDP}, {name: http, port: 80}]", more: "sessionAffinity: ClientIP"))
    #expect(decoded.problems.map(\.severity) == [.warning, .warning])
    #expect(decoded.problems.map(\.field) == ["spec.sessionAffinity", "spec.ports[0].protocol"])
    #expect(decoded.objects.first?.service?.ports.map(\.port) == [80])

    let external = Decoded(
      "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {type: ExternalName, externalName: example.com}\n")
    #expect(external.documents.isEmpty)
    #expect(external.isComplete)
    #expect(external.problems.map(\.severity) == [.warning])
  }

  @Test func endpointStatesFollowKubernetesDefaults() throws {
    let decoded = Decoded(
      Sample.slice(
        """

        - {addresses: [10.0.0.1], zone: z1, nodeName: n1, targetRef: {kind: Pod, name: p1}}
        - {addresses: [10.0.0.2], conditions: {}}
        - {addresses: [10.0.0.3], conditions: {ready: false}}
        - {addresses: [10.0.0.4], conditions: {ready: false, serving: true, terminating: true}}
        - {addresses: [10.0.0.5], conditions: {ready: false, serving: false, terminating: true}}
        - {addresses: [10.0.0.6], conditions: {ready: null}}
        - {addresses: [10.0.0.7], targetRef: {kind: Node, name: x}}
        """))
    #expect(decoded.lines == [])
    let slice = try #require(decoded.objects.first?.slice)
    #expect(slice.service == "reviews")
    #expect(slice.ports == [.init(name: "http", port: 8080)])
    #expect(
      slice.endpoints.map(\.state) == [.ready, .ready, .notReady, .draining, .notReady, .ready, .ready])
    #expect(slice.endpoints[0].zone == "z1")
    #expect(slice.endpoints[0].nodeName == "n1")
    #expect(slice.endpoints[0].pod == NamespacedName(namespace: "shop", name: "p1"))
    #expect(slice.endpoints[6].pod == nil)
  }

  @Test func theOlderEndpointSliceHasItsZoneInTheTopology() throws {
    let decoded = Decoded(
      """
      apiVersion: discovery.k8s.io/v1beta1
      kind: EndpointSlice
      metadata: {name: s, labels: {kubernetes.io/service-name: reviews}}
      addressType: IPv6
      ports: [{name: null, port: 80}, {name: any, port: null}]
      endpoints: [{addresses: ["2001:db8::1"], topology: {topology.kubernetes.io/zone: z2, kubernetes.io/hostname: n2}}]
      """)
    let slice = try #require(decoded.objects.first?.slice)
    #expect(slice.endpoints[0].zone == "z2")
    #expect(slice.endpoints[0].nodeName == "n2")
    #expect(slice.ports == [.init(name: "", port: 80)])
    #expect(decoded.problems.map(\.field) == ["ports[1].port"])
    #expect(decoded.problems.map(\.severity) == [.warning])
  }

  @Test func podsNodesAndNamespaces() {
    let decoded = Decoded(
      """
      {"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p.1", "labels": {"version": "v1"}},
         "spec": {"nodeName": "n1", "containers": []}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels":
         {"topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": "z"}}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "b"}}}
      ]}
      """, file: "list.json")
    #expect(decoded.lines == [])
    #expect(
      decoded.objects == [
        .pod(Pod(id: .init(namespace: "default", name: "p.1"), labels: ["version": "v1"], nodeName: "n1")),
        .node(KubernetesNode(name: "n1", region: "r", zone: "z")),
        .namespace(KubernetesNamespace(name: "shop", labels: ["a": "b"])),
      ])
    #expect(decoded.documents.map(\.location.position) == [0, 1, 2])
    #expect(decoded.documents.map(\.location.line) == [2, 4, 6])
  }

  @Test func theTextOfEveryDocumentDecodesToTheSameObject() {
    let list = """
      apiVersion: v1
      kind: ServiceList
      items:
      - apiVersion: v1
        kind: Service
        metadata: {name: "yes", namespace: shop}
        spec: {ports: [{name: 'http', port: 0x50}], selector: {a: "1", b: "line\\nbreak \\" \\x85"}}
      ---
      \(Sample.rule("{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}"))
      """
    let decoded = Decoded(list)
    #expect(decoded.lines == [])
    #expect(decoded.objects.count == 2)
    for document in decoded.documents {
      #expect(ManifestDecoder.decodeStored(text: document.text, location: document.location) == document.object)
    }
  }

  @Test func aDestinationRule() throws {
    for version in ["v1", "v1beta1", "v1alpha3"] {
      let decoded = Decoded(
        """
        apiVersion: networking.istio.io/\(version)
        kind: DestinationRule
        metadata: {name: reviews, namespace: shop}
        spec:
          host: reviews
          exportTo: ["*"]
          trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
          subsets:
          - {name: v1, labels: {version: v1}}
          - name: v2
            labels: {version: v2}
            trafficPolicy:
              loadBalancer: {consistentHash: {httpCookie: {name: user, path: /, ttl: 1h}, maglev: {tableSize: 65537}}}
        """)
      #expect(decoded.lines == [])
      let rule = try #require(decoded.objects.first?.rule)
      #expect(rule.loadBalancer == .roundRobin)
      #expect(
        rule.subsets == [
          .init(name: "v1", labels: ["version": "v1"]),
          .init(
            name: "v2", labels: ["version": "v2"],
            loadBalancer: .consistentHash(
              key: .cookie(name: "user", path: "/", ttlMilliseconds: 3_600_000), table: .maglev(tableSize: 65_537))),
        ])
    }
  }

  @Test func aVirtualService() throws {
    let decoded = Decoded(
      """
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      metadata: {name: reviews, namespace: shop}
      spec:
        hosts: [reviews, "*.example.com"]
        gateways: [mesh]
        http:
        - name: canary
          match:
          - uri: {prefix: /api}
            ignoreUriCase: true
            method: {exact: GET}
            headers: {x-user: {regex: "a.*"}, x-there: {}}
            withoutHeaders: {x-not: {exact: "1"}}
            queryParams: {q: {exact: v}}
            port: 80
          timeout: 1.5s
          retries: {attempts: 3, perTryTimeout: 250ms, retryOn: "5xx, 503"}
          route:
          - destination: {host: reviews, subset: v1, port: {number: 80}}
            weight: 90
          - destination: {host: reviews.shop.svc.cluster.local, subset: v2}
            weight: 10
        - route: [{destination: {host: reviews}}]
      """)
    #expect(decoded.lines == [])
    let object = try #require(decoded.objects.first?.virtualService)
    #expect(object.hosts == ["reviews", "*.example.com"])
    let match = HTTPMatch(
      uri: .prefix("/api"), ignoreURICase: true, method: .exact("GET"),
      headers: ["x-user": .regex("a.*"), "x-there": .present], withoutHeaders: ["x-not": .exact("1")],
      queryParameters: ["q": .exact("v")], port: 80)
    #expect(
      object.http == [
        HTTPRoute(
          name: "canary", matches: [match],
          destinations: [
            RouteDestination(host: "reviews", subset: "v1", port: 80, weight: 90),
            RouteDestination(host: "reviews.shop.svc.cluster.local", subset: "v2", weight: 10),
          ], timeoutMilliseconds: 1_500,
          retries: HTTPRetry(attempts: 3, perTryTimeoutMilliseconds: 250, retryOn: "5xx,503")),
        HTTPRoute(destinations: [RouteDestination(host: "reviews")]),
      ])
    #expect(
      decoded.documents[0].destinationPlaces == [
        .init(path: "spec.http[0].route[0].destination", line: 20),
        .init(path: "spec.http[0].route[1].destination", line: 22),
        .init(path: "spec.http[1].route[0].destination", line: 24),
      ])
  }

  @Test func aWeightThatIsMissingIsNothingUnlessItStandsAlone() throws {
    let two = Decoded(Sample.route("route: [{destination: {host: a}, weight: 1}, {destination: {host: b}}]"))
    #expect(two.problems.isEmpty)
    #expect(try #require(two.objects.first?.virtualService).http[0].destinations.map(\.weight) == [1, 0])
    let one = Decoded(Sample.route(Sample.destination))
    #expect(try #require(one.objects.first?.virtualService).http[0].destinations.map(\.weight) == [100])
  }

  @Test func retriesWithoutAttemptsAreNone() throws {
    for written in ["{}", "{attempts: 0}"] {
      let decoded = Decoded(Sample.route("\(Sample.destination), retries: \(written)"))
      #expect(decoded.problems.isEmpty, "\(written)")
      #expect(try #require(decoded.objects.first?.virtualService).http[0].retries == HTTPRetry(attempts: 0))
    }
    let none = Decoded(Sample.route(Sample.destination))
    #expect(try #require(none.objects.first?.virtualService).http[0].retries == nil, "then Istio's default holds")
  }

  @Test func manyHostsCostTheirNumber() {
    func cost(_ count: Int) -> Duration {
      let hosts = (0..<count).map { "h\($0)" }.joined(separator: ", ")
      let text = Sample.virtualService("{hosts: [\(hosts)], http: [{\(Sample.destination)}]}")
      return (0..<3).map { _ in ContinuousClock().measure { #expect(Decoded(text).problems.isEmpty) } }.min()!
    }
    let small = cost(1_000)
    let large = cost(16_000)
    #expect(large < small * 40, "\(small) for 1000, \(large) for 16000")
  }

  @Test func aMalformedDocumentCostsItselfOnly() {
    let decoded = Decoded(
      "# first\n---\n\(Sample.service("a"))---\nkind: [oops\n---\n\(Sample.service("b"))...\n# end\n")
    #expect(decoded.objects.map(\.key.id.name) == ["a", "b"])
    #expect(!decoded.isComplete)
    #expect(decoded.problems.map(\.location?.line) == [11])
    #expect(decoded.documents.map(\.location.line) == [3, 12])
  }

  @Test func anchorsAndMergeKeysAreResolved() throws {
    let decoded = Decoded(
      """
      apiVersion: networking.istio.io/v1
      kind: DestinationRule
      metadata: {name: reviews}
      spec:
        host: reviews
        subsets:
        - &base {name: v1, labels: &l {version: v1}}
        - {<<: *base, name: v2}
        - {name: v3, labels: *l}
      """)
    #expect(decoded.lines == [])
    let rule = try #require(decoded.objects.first?.rule)
    #expect(rule.subsets.map(\.name) == ["v1", "v2", "v3"])
    #expect(rule.subsets.allSatisfy { $0.labels == ["version": "v1"] })
  }

  /// An editor that was stopped, or a disk that was full: nobody removes objects this way on purpose.
  @Test func aFileWithoutAByteTakesNothingAway() {
    let decoded = Decoded("")
    #expect(!decoded.isComplete)
    #expect(decoded.lines == ["f.yaml: warning: is empty; remove the file to remove what was in it"])
  }

  @Test func linesAndCommentsHoldNothing() {
    for text in ["\n", "# nothing\n", "---\n---\n# x\n", "%YAML 1.1\n---\n", "null\n", "\u{FEFF}# bom\n"] {
      let decoded = Decoded(text)
      #expect(decoded.documents.isEmpty && decoded.isComplete && decoded.problems.isEmpty, "\(text.debugDescription)")
    }
    #expect(Decoded("\u{FEFF}%YAML 1.1\n---\n" + Sample.service()).objects.count == 1)
    #expect(Decoded(Sample.service().replacing("\n", with: "\r\n")).objects.count == 1)
  }

  @Test func aVirtualServiceForGatewaysDoesNotReachSidecars() {
    let decoded = Decoded(
      Sample.virtualService("{hosts: [a.example], gateways: [istio-system/gw], http: [{\(Sample.destination)}]}"))
    #expect(decoded.documents.isEmpty)
    #expect(decoded.isComplete)
    #expect(decoded.problems.map(\.severity) == [.warning])
    let both = Decoded(
      Sample.virtualService("{hosts: [a.example], gateways: [gw, mesh], http: [{\(Sample.destination)}]}"))
    #expect(both.objects.count == 1)
    #expect(both.problems.map(\.field) == ["spec.gateways[0]"])
  }

  @Test func aConditionThatCannotBeCheckedNeverMatches() throws {
    let decoded = Decoded(
      Sample.virtualService(
        """
        {hosts: [reviews], http: [
          {match: [{uri: {exact: /a}, sourceLabels: {app: x}}, {uri: {exact: /b}}], \(Sample.destination)},
          {match: [{scheme: {exact: https}}], \(Sample.destination)},
          {\(Sample.destination)}]}
        """))
    let object = try #require(decoded.objects.first?.virtualService)
    #expect(object.http.count == 2)
    #expect(object.http[0].matches == [HTTPMatch(uri: .exact("/b"))])
    #expect(object.http[1].matches == [])
    #expect(decoded.problems.allSatisfy { $0.severity == .warning })
    #expect(
      decoded.problems.map(\.field) == [
        "spec.http[0].match[0].sourceLabels", "spec.http[1].match[0].scheme", "spec.http[1].match",
      ])
    #expect(decoded.documents[0].destinationPlaces.map(\.path).last == "spec.http[2].route[0].destination")
  }
}
