import EnvoyHarness
import Foundation
import NIOCore

/// A server with its manifests and one bystander, and whoever attacks it.
actor Scene {
  let weir: WeirProcess
  let bystander: Bystander
  let probe: ServerProbe
  private let directory: TemporaryDirectory
  private let manifests: ManifestDirectory
  private let options: Options
  private var number = 0
  private var attackers = 0

  private static let services = 100

  private init(
    weir: WeirProcess, bystander: Bystander, probe: ServerProbe, directory: TemporaryDirectory,
    manifests: ManifestDirectory, options: Options
  ) {
    self.weir = weir
    self.bystander = bystander
    self.probe = probe
    self.directory = directory
    self.manifests = manifests
    self.options = options
  }

  static func start(_ options: Options) async throws -> Scene {
    let directory = TemporaryDirectory(prefix: "weir-hostile", inMemory: true)
    let manifests = try ManifestDirectory(in: directory)
    for index in 0..<services {
      try manifests.write("s\(index).yaml", [ServiceManifest("s\(index)", namespace: "shop")])
      try manifests.write("s\(index)-endpoints.yaml", [slice(index, number: 0)])
    }
    let weir = try await WeirProcess.serve(manifests: [manifests.path], in: directory)
    do {
      let process = await weir.process
      return Scene(
        weir: weir, bystander: try await Bystander.connect(to: weir.addresses.xds),
        probe: ServerProbe(processID: process.processID, logPath: process.logPath), directory: directory,
        manifests: manifests, options: options)
    } catch {
      await weir.kill()
      throw error
    }
  }

  private static func slice(_ index: Int, number: Int) -> EndpointSliceManifest {
    EndpointSliceManifest(
      "s\(index)", namespace: "shop", service: "s\(index)", endpoints: [.init(Bystander.address(of: number))])
  }

  func stop() async {
    await bystander.close()
    await weir.terminate()
    directory.remove()
  }

  var isAlive: Bool { get async { await weir.process.isRunning } }

  // MARK: Updates

  /// Changes one service's endpoints after the other, at a steady rate whatever comes back, until the time is over and all
  /// updates have arrived. A service is changed again only after all others were.
  /// - Returns: from the write to the client, sorted.
  /// - Throws: if an update does not arrive within 30 s.
  func updates(for seconds: Double) async throws -> Updates {
    _ = bystander.takeSamples()
    let start = NIODeadline.now()
    let interval = TimeAmount.nanoseconds(Int64(1e9 / options.rate))
    for step in 0..<max(1, Int(seconds * options.rate)) {
      let due = start + TimeAmount.nanoseconds(interval.nanoseconds * Int64(step))
      let rest = due - .now()
      if rest > .zero { try await Task.sleep(nanoseconds: UInt64(rest.nanoseconds)) }
      try update()
    }
    do {
      try await poll("all updates arrive", within: .seconds(30)) { [bystander] in
        if let end = bystander.end { throw HarnessError(.connection, "the bystander's stream ended: \(end)") }
        return bystander.outstanding == 0
      }
    } catch let error as HarnessError where error.code == .timeout {
      throw HarnessError(.timeout, "\(bystander.outstanding) updates were lost", cause: error)
    }
    return Updates(bystander.takeSamples())
  }

  private func update() throws {
    number += 1
    let index = number % Self.services
    bystander.expect(number, of: "outbound|80||s\(index).shop.svc.cluster.local")
    try manifests.write("s\(index)-endpoints.yaml", [Self.slice(index, number: number)])
  }

  // MARK: Attacks

  /// Starts an attacker, a process of its own; `finish` of what it returns awaits its end.
  func attack(kinds: [String] = [], connections: Int, seconds: Double) async throws -> RunningAttack {
    attackers += 1
    let plan = Attacker.Plan(
      server: weir.addresses.xds, kinds: kinds, connections: connections, seconds: seconds, budget: options.budget,
      seed: options.seed)
    let process = try await ChildProcess.spawn(
      ProgramFile.ownDirectory + "/HostileBenchmark",
      ["--attack", String(decoding: JSONEncoder().encode(plan), as: UTF8.self)],
      logPath: directory.path + "/attacker-\(attackers).log", readsLines: true)
    return RunningAttack(process: process)
  }

  /// Waits until the server has let go of every hostile connection.
  /// - Returns: how long that took; nil if it had not after the limit.
  func settle(to sockets: Int, within limit: Duration = .seconds(60)) async -> Duration? {
    let start = ContinuousClock.now
    do {
      try await poll("the sockets return", within: limit, every: .milliseconds(50)) { [probe] in
        probe.sockets <= sockets
      }
      return ContinuousClock.now - start
    } catch {
      return nil
    }
  }
}

struct RunningAttack {
  var process: ChildProcess

  func finish() async throws -> Attacker.Report {
    var last = ""
    for await line in process.lines { last = line }
    let exit = await process.waitForExit()
    guard exit == .code(0) else {
      throw HarnessError(.exited, "the attacker ended with \(exit): \(process.logTail())")
    }
    return try JSONDecoder().decode(Attacker.Report.self, from: Data(last.utf8))
  }
}
