import EnvoyHarness
import Foundation
import Weir

/// All that runs in the demo: backends of two versions, `weir serve`, and three sidecar Envoys.
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
  let weir: WeirProcess
  let sidecars: [Sidecar]
  /// The releases of that server, over HTTP.
  let releases: Releases

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
    let weir = try await WeirProcess.serve(
      manifests: [manifests.path], state: directory.path + "/state", in: directory)
    do {
      say("started weir serve: xDS on \(weir.addresses.xds), admin on \(weir.addresses.admin)")
      var sidecars: [Sidecar] = []
      for (name, way) in [("sidecar-1", XDSProtocol.delta), ("sidecar-2", .delta), ("sidecar-3", .stateOfTheWorld)] {
        let outbound = "\(LoopbackAddress.next()):15001"
        let bootstrap = try await weir.bootstrap(nodeID: name, namespace: "shop", listen: outbound, protocol: way)
        // Without retries, so that what a retry would have hidden fails.
        let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, name: name, in: directory, retries: false)
        say("started \(name), a real Envoy by \(way): HTTP on \(outbound)")
        sidecars.append(Sidecar(name: "\(name) (\(way))", envoy: envoy, outbound: outbound))
      }
      return DemoMesh(
        directory: directory, backends: backends, weir: weir, sidecars: sidecars,
        releases: Releases(try .server("http://\(weir.addresses.admin)")))
    } catch {
      await weir.terminate()
      throw error
    }
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

  func close() async {
    for sidecar in sidecars { await sidecar.envoy.stop() }
    await weir.terminate()
    for backend in backends { await backend.stop() }
    directory.remove()
  }
}
