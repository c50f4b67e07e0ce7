import EnvoyHarness
import Foundation

/// A `weir serve` on a mesh, and what `weir-load` has to know of it.
struct FanOutScene {
  let weir: WeirProcess
  private let manifests: ManifestDirectory
  private let directory: TemporaryDirectory

  /// The fan-out's weights go by RDS.
  static let wholeRouteTables = ["--vhds", "off"]

  /// - Parameters:
  ///   - flags: further ones of `weir serve`.
  ///   - state: where it keeps what outlives it; nil for nowhere.
  static func start(
    _ world: some World, flags: [String] = [], state: String? = nil, in directory: TemporaryDirectory
  ) async throws -> FanOutScene {
    let manifests = try ManifestDirectory(in: directory)
    try world.write(into: manifests)
    for (file, text) in world.templates {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(directory.path)/\(file).template"))
    }
    let began = ContinuousClock.now
    let weir = try await WeirProcess.serve(
      manifests: [manifests.path], state: state, flags: flags, in: directory, within: .seconds(240))
    Progress.say("  weir serves after \((ContinuousClock.now - began).milliseconds) ms")
    return FanOutScene(weir: weir, manifests: manifests, directory: directory)
  }

  func arguments(proxies: Int, protocol: XDSProtocol) async -> [String] {
    [
      "--xds", weir.addresses.xds, "--proxies", "\(proxies)", "--protocol", `protocol`.rawValue, "--pid",
      "\(await weir.process.processID)", "--metadata", "NAMESPACE=\(Mesh.namespace)", "--limit", "300",
    ]
  }

  var endpointTrigger: [String] { trigger(Mesh.endpointFile) }
  var weightTrigger: [String] { trigger(Mesh.weightFile) }
  var bothTriggers: [String] { endpointTrigger + weightTrigger }

  private func trigger(_ file: String) -> [String] {
    ["--trigger-file", "\(manifests.path)/\(file)", "--trigger-template", "\(directory.path)/\(file).template"]
  }

  func stop() async { await weir.terminate() }
}
