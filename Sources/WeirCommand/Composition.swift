import Logging
import TrafficModel

/// Where the commands meet the library: the only file of the command line that knows who does the work.
enum Composition {
  /// Starts a control plane; returns when it is bound and serves.
  @Sendable static func serve(_ options: ServeOptions, _ logger: Logger) async throws -> any ServingControlPlane {
    throw CommandFailure("this build holds no control plane")
  }

  /// Everything that is wrong with the manifests of the directories, as the gate sees it.
  @Sendable static func check(_ directories: [String]) async throws -> [Problem] {
    throw CommandFailure("this build holds no manifest reader")
  }
}
