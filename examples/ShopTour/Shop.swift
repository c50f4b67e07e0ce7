import EnvoyHarness
import Foundation

/// All that runs in the tour: sample backends, `weir serve` on a working copy of the manifests, and a sidecar Envoy.
struct Shop {
  static let services = ["frontend", "catalog", "reviews", "orders"]

  let directory: TemporaryDirectory
  let manifests: ManifestDirectory
  let backends: SampleBackends
  let weir: WeirProcess
  let envoy: EnvoyProcess
  /// Where the sidecar takes HTTP for all services, `IP:PORT`.
  let outbound: String
  /// Where it takes connections for the ledger.
  let ledger: String

  /// Starts everything.
  ///
  /// - Parameter usualPorts: try the ports that Envoy's and Istio's users know (15000, 15001, …) and take free ones only
  ///   where they are taken; else free ones at once.
  static func open(usualPorts: Bool) async throws -> Shop {
    let directory = TemporaryDirectory(prefix: "weir-shop")
    let manifests = try ManifestDirectory(
      copying: ProgramFile.packageRoot() + "/examples/shop", named: "shop", in: directory)
    let backends = SampleBackends()
    try await movePorts(of: manifests)
    let started = try await backends.startMissing(in: manifests)
    say("started \(started.count) sample backends")

    func usual(_ address: String) async -> String {
      guard usualPorts, await isFree(address) else { return "127.0.0.1:0" }
      return address
    }
    let weir = try await WeirProcess.serve(
      manifests: [manifests.path], state: directory.path + "/state",
      listeners: WeirListeners(plain: await usual("127.0.0.1:15010")), admin: await usual("127.0.0.1:15014"),
      in: directory)
    say("started weir serve: xDS on \(weir.addresses.xds), admin on \(weir.addresses.admin)")

    do {
      // The sidecar also listens on the ledger's port, on the same host; a loopback address of its own is free for sure.
      var isUsualFree = usualPorts
      for port in ["15001", "17000"] where isUsualFree { isUsualFree = await isFree("127.0.0.1:\(port)") }
      let host = isUsualFree ? "127.0.0.1" : LoopbackAddress.next()
      let bootstrap = try await weir.bootstrap(
        nodeID: "sidecar~frontend-v1-a.shop", namespace: "shop", labels: ["app": "frontend", "version": "v1"],
        listen: "\(host):15001", admin: await usual("127.0.0.1:15000"))
      let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, name: "sidecar", in: directory)
      say("started a sidecar Envoy: HTTP on \(host):15001, admin on \(envoy.admin)")
      return Shop(
        directory: directory, manifests: manifests, backends: backends, weir: weir, envoy: envoy,
        outbound: "\(host):15001", ledger: "\(host):17000")
    } catch {
      await weir.terminate()
      throw error
    }
  }

  func close() async {
    await envoy.stop()
    let exit = await weir.terminate()
    if exit != .code(0) { say("weir serve ended with \(exit); its log:\n\(await weir.process.logTail())") }
    directory.remove()
  }

  private static func isFree(_ address: String) async -> Bool {
    let parts = address.split(separator: ":")
    guard let probe = try? await TCPBackend.start("probe", ip: String(parts[0]), port: Int(parts[1]) ?? 0) else {
      return false
    }
    await probe.stop()
    return true
  }

  /// Where 18080 or 17000 is taken on this machine (by a server on all addresses, or another tour), the working copy
  /// gets other numbers.
  private static func movePorts(of manifests: ManifestDirectory) async throws {
    for (usual, ip) in [(18080, "127.10.1.1"), (17000, "127.10.5.1")] {
      var free: Int?
      for candidate in usual..<usual + 50 where free == nil {
        if await isFree("\(ip):\(candidate)") { free = candidate }
      }
      guard let free else {
        throw HarnessError(.connection, "the ports \(usual) to \(usual + 49) are all taken on \(ip)")
      }
      guard free != usual else { continue }
      say("port \(usual) is taken; the backends take \(free)")
      for file in manifests.files {
        // Only in EndpointSlices: a service's own port stays as it is, and stands at another depth.
        let text = try manifests.read(file)
        let moved = text.replacingOccurrences(of: "\n  port: \(usual)\n", with: "\n  port: \(free)\n")
        if moved != text { try manifests.write(file, text: moved) }
      }
    }
  }
}
