import EnvoyBootstrap
import EnvoyHarness
import Foundation
import Logging
import Weir

/// All that runs in the demo: backends of two versions, a control plane, and three sidecar Envoys.
struct DemoMesh {
  struct Sidecar {
    var name: String
    var envoy: EnvoyProcess
    /// Where it takes HTTP, `IP:PORT`.
    var outbound: String
  }

  static let host = "reviews.shop"

  let directory: TemporaryDirectory
  let backends: [Backend]
  let plane: ControlPlane
  let sidecars: [Sidecar]
  var releases: Releases { plane.releases }

  static func open() async throws -> DemoMesh {
    let directory = TemporaryDirectory(prefix: "weir-demo")
    let manifests = try ManifestDirectory(in: directory)
    var backends: [Backend] = []
    for version in ["v1", "v2"] {
      for number in 1...2 {
        backends.append(
          try await Backend.start(
            "reviews-\(version)-\(number)", version: version, ip: LoopbackAddress.next(), port: Backend.usualPort))
      }
    }
    try write(backends, into: manifests)
    say("started \(backends.count) backends of two versions: \(backends.map(\.name).joined(separator: ", "))")
    let plane = try await ControlPlane.start(
      ControlPlaneConfiguration(
        manifests: [manifests.path], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: nil,
        state: directory.path + "/state"), logger: Logger(label: "demo", factory: { _ in SwiftLogNoOpLogHandler() }))
    say("started the control plane: xDS on \(plane.xdsAddress)")
    var sidecars: [Sidecar] = []
    for (name, way) in [
      ("sidecar-1", SidecarBootstrap.DiscoveryProtocol.delta), ("sidecar-2", .delta), ("sidecar-3", .sotw),
    ] {
      let outbound = "\(LoopbackAddress.next()):15001"
      let bootstrap = SidecarBootstrap(
        nodeID: name, namespace: "shop", xds: .plain(try HostPort(plane.xdsAddress)), listen: try HostPort(outbound),
        admin: try HostPort("127.0.0.1:0"), discoveryProtocol: way
      ).json()
      // Without retries, so that what a retry would have hidden fails.
      let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, name: name, in: directory, retries: false)
      say("started \(name), a real Envoy by \(way.rawValue): HTTP on \(outbound)")
      sidecars.append(Sidecar(name: "\(name) (\(way.rawValue))", envoy: envoy, outbound: outbound))
    }
    return DemoMesh(directory: directory, backends: backends, plane: plane, sidecars: sidecars)
  }

  private static func write(_ backends: [Backend], into manifests: ManifestDirectory) throws {
    try manifests.write("service.yaml", [ServiceManifest("reviews", namespace: "shop")])
    let pods: [any ManifestDocument] = backends.map {
      PodManifest($0.name, namespace: "shop", labels: ["app": "reviews", "version": $0.version])
    }
    let slice = EndpointSliceManifest(
      "reviews-1", namespace: "shop", service: "reviews", endpoints: backends.map { .init($0.ip, pod: $0.name) })
    try manifests.write("endpoints.yaml", pods + [slice])
  }

  func weirLog() async -> String { "" }

  func close() async {
    for sidecar in sidecars { await sidecar.envoy.stop() }
    await plane.drain(within: .zero)
    for backend in backends { await backend.stop() }
    directory.remove()
  }
}
