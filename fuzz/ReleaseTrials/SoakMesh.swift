import EnvoyHarness
import Foundation

/// `weir serve`, a service of two versions, and an Envoy for each way of speaking xDS.
struct SoakMesh {
  struct Sidecar: Sendable {
    var name: String
    var envoy: EnvoyProcess
    var outbound: String
  }

  static let host = "reviews.shop"

  let directory: TemporaryDirectory
  let manifests: ManifestDirectory
  let weir: WeirProcess
  let sidecars: [Sidecar]
  let backends: Backends
  var releases: WeirReleases { WeirReleases(admin: weir.addresses.admin) }

  static func open(flags: [String]) async throws -> SoakMesh {
    let directory = TemporaryDirectory(prefix: "weir-soak")
    let manifests = try ManifestDirectory(in: directory)
    let backends = Backends(manifests: manifests)
    for version in ["v1", "v1", "v2", "v2"] { try await backends.add(version) }
    try manifests.write("service.yaml", [ServiceManifest("reviews", namespace: "shop")])
    let weir = try await WeirProcess.serve(
      manifests: [manifests.path], state: directory.path + "/state", flags: ["--log-level", "warning"] + flags,
      in: directory)
    var sidecars: [Sidecar] = []
    for way in XDSProtocol.allCases {
      let outbound = "\(LoopbackAddress.next()):15001"
      let bootstrap = try await weir.bootstrap(
        nodeID: "sidecar-\(way)", namespace: "shop", listen: outbound, protocol: way)
      let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, name: "\(way)", in: directory, retries: false)
      sidecars.append(Sidecar(name: "\(way)", envoy: envoy, outbound: outbound))
    }
    return SoakMesh(
      directory: directory, manifests: manifests, weir: weir, sidecars: sidecars, backends: backends)
  }

  func close() async {
    for sidecar in sidecars { await sidecar.envoy.stop() }
    await weir.kill()
    await backends.stop()
    directory.remove()
  }
}

/// The endpoints of both versions, as they come and go.
actor Backends {
  private struct Member {
    var backend: Backend
    var state = EndpointSliceManifest.Endpoint.State.ready
  }

  private let manifests: ManifestDirectory
  private var members: [Member] = []
  private var next = 0

  init(manifests: ManifestDirectory) { self.manifests = manifests }

  func count(_ version: String) -> Int { members.count { $0.backend.version == version && $0.state == .ready } }

  func add(_ version: String) async throws {
    next += 1
    members.append(
      Member(
        backend: try await Backend.start(
          "reviews-\(version)-\(next)", version: version, ip: LoopbackAddress.next(), port: Backend.usualPort)))
    try write()
  }

  /// Lets one drain.
  ///
  /// - Returns: its address, `IP:PORT`.
  func drain(_ version: String, using random: inout SeededRandom) throws -> String? {
    let ready = members.indices.filter { members[$0].backend.version == version && members[$0].state == .ready }
    guard ready.count > 1, let index = ready.randomElement(using: &random) else { return nil }
    members[index].state = .draining
    try write()
    return members[index].backend.address
  }

  /// Takes away one that has drained.
  func remove(_ address: String) async throws {
    guard let index = members.firstIndex(where: { $0.backend.address == address }) else { return }
    let gone = members.remove(at: index)
    try write()
    await gone.backend.stop()
  }

  /// One ends, and only then is it said that it has.
  func crash() async throws {
    guard let gone = members.popLast() else { return }
    await gone.backend.stop()
    try await Task.sleep(for: .milliseconds(100))
    try write()
  }

  func stop() async {
    for member in members { await member.backend.stop() }
  }

  private func write() throws {
    let pods: [any ManifestDocument] = members.map {
      PodManifest($0.backend.name, namespace: "shop", labels: ["app": "reviews", "version": $0.backend.version])
    }
    let slice = EndpointSliceManifest(
      "reviews-1", namespace: "shop", service: "reviews",
      endpoints: members.map { .init($0.backend.ip, state: $0.state, pod: $0.backend.name) })
    try manifests.write("endpoints.yaml", pods + [slice])
  }
}
