import EnvoyHarness

/// Manifests, and the files among them that are rewritten while it is measured.
protocol World {
  func write(into manifests: ManifestDirectory) throws
  /// The changing files by name, with placeholders of `weir-load`.
  var templates: [String: String] { get }
}

/// The world of the fan-out figures: services of two versions with ten endpoints each, behind subsets v1 and v2 and a
/// VirtualService that splits by weight. Weir serves three clusters of each: the two subsets, and the service without one.
struct Mesh: World {
  static let namespace = "mesh"

  var services: Int
  var endpointsPerVersion = 10

  /// The file whose rewriting changes one endpoint (of subset v1, and so of the service without a subset, too), and its text
  /// with the placeholder of `weir-load`.
  static let endpointFile = "changing-endpoints.yaml"
  var endpointTemplate: String { slice(0, firstHost: "{octet}").yaml }

  /// The same for the weights of one route.
  static let weightFile = "changing-route.yaml"
  var weightTemplate: String {
    route(0).yaml.replacing("weight: 90", with: "weight: {percent}").replacing("weight: 10", with: "weight: {rest}")
  }

  var templates: [String: String] { [Self.endpointFile: endpointTemplate, Self.weightFile: weightTemplate] }

  /// Writes everything, about a hundred services a file.
  func write(into manifests: ManifestDirectory) throws {
    for first in stride(from: 0, to: services, by: 100) {
      var text = ""
      for service in first..<min(first + 100, services) {
        for document in documents(service) { text += document.yaml + "---\n" }
      }
      try manifests.write("services-\(first).yaml", text: text)
    }
    try manifests.write(Self.endpointFile, text: endpointTemplate.replacing("{octet}", with: "251"))
    try manifests.write(Self.weightFile, [route(0)])
  }

  private func name(_ service: Int) -> String { "service-\(service)" }

  private func documents(_ service: Int) -> [any ManifestDocument] {
    let name = name(service)
    var documents: [any ManifestDocument] = [
      ServiceManifest(name, namespace: Self.namespace),
      DestinationRuleManifest(name, namespace: Self.namespace, host: name, versions: ["v1", "v2"]),
    ]
    for endpoint in 0..<2 * endpointsPerVersion {
      let version = endpoint < endpointsPerVersion ? "v1" : "v2"
      documents.append(
        PodManifest(
          "\(name)-\(endpoint)", namespace: Self.namespace, labels: ["app": name, "version": version]))
    }
    // The first service's are in files of their own, to be changed.
    if service > 0 { documents += [slice(service, firstHost: "1"), route(service)] }
    return documents
  }

  private func slice(_ service: Int, firstHost: String) -> EndpointSliceManifest {
    EndpointSliceManifest(
      name(service), namespace: Self.namespace, service: name(service), ports: ["http": 8080],
      endpoints: (0..<2 * endpointsPerVersion).map { endpoint in
        // Two networks, so that whatever the changing host's number is, no other endpoint has it.
        let network = "10.\(endpoint == 0 ? 128 + service / 250 : service / 250).\(service % 250)"
        return .init(
          "\(network).\(endpoint == 0 ? firstHost : String(endpoint))", pod: "\(name(service))-\(endpoint)")
      })
  }

  private func route(_ service: Int) -> VirtualServiceManifest {
    VirtualServiceManifest(
      name(service), namespace: Self.namespace, host: name(service), weights: [("v1", 90), ("v2", 10)])
  }
}
