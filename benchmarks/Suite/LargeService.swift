import EnvoyHarness

/// One service with many endpoints, in EndpointSlices of a hundred as Kubernetes makes them. One slice is rewritten.
struct LargeService: World {
  var endpoints = 5000
  private let perSlice = 100
  private let name = "large"

  var templates: [String: String] { [Mesh.endpointFile: slice(0, firstHost: "{octet}").yaml] }

  func write(into manifests: ManifestDirectory) throws {
    try manifests.write("service.yaml", [ServiceManifest(name, namespace: Mesh.namespace)])
    try manifests.write(Mesh.endpointFile, [slice(0, firstHost: "251")])
    for number in 1..<endpoints / perSlice {
      try manifests.write("slice-\(number).yaml", [slice(number, firstHost: "0")])
    }
  }

  private func slice(_ number: Int, firstHost: String) -> EndpointSliceManifest {
    EndpointSliceManifest(
      "\(name)-\(number)", namespace: Mesh.namespace, service: name, ports: ["http": 8080],
      endpoints: (0..<perSlice).map { endpoint in
        endpoint == 0 && number == 0
          ? .init("10.128.0.\(firstHost)") : .init("10.0.\(number).\(endpoint)")
      })
  }
}

/// One endpoint changed among 5,000 of one service, which proxies take one by one (LEDS).
struct EndpointByEndpoint: Measurement {
  let name = "leds"

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let scene = try await FanOutScene.start(LargeService(), flags: ["--leds-threshold", "1000"], in: directory)
    return try await onePerStream(scene, trigger: scene.endpointTrigger, effort, in: directory)
  }
}
