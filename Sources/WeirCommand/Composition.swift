import EnvoyBootstrap
import Logging
import TrafficModel
import Weir

/// Where the commands meet the library: the only file of the command line that knows who does the work.
enum Composition {
  /// Starts a control plane; returns when it is bound and serves.
  @Sendable static func serve(_ options: ServeOptions, _ logger: Logger) async throws -> any ServingControlPlane {
    let configuration = ControlPlaneConfiguration(
      manifests: options.manifests, xds: .tcp(host: options.xds.host, port: Int(options.xds.port)),
      admin: (options.admin.host, Int(options.admin.port)), state: options.state, limits: options.limits)
    return Served(plane: try await ControlPlane.start(configuration, logger: logger))
  }

  /// Everything that is wrong with the manifests of the directories, as the gate sees it.
  @Sendable static func check(_ directories: [String]) async throws -> [Problem] {
    ControlPlane.check(directories: directories)
  }

  private struct Served: ServingControlPlane {
    let plane: ControlPlane
    var xdsAddress: String { plane.xdsAddress }
    var adminAddress: String { plane.adminAddress ?? "" }
    func waitUntilStopped() async throws { try await plane.waitUntilStopped() }
    func drain(within time: Duration) async { await plane.drain(within: time) }
  }
}
