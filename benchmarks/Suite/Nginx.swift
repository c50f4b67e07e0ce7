import EnvoyHarness
import Foundation
import NIOCore

/// The same churn of endpoints through Weir and Envoy, and through nginx with a rewritten upstream and `nginx -s reload`, under
/// the same constant load. Each change replaces one of four backends; the old one lives on for a second.
struct Nginx: Measurement {
  let name = "nginx"
  private let backends = 4
  private let rate = 500
  private let connections = 16
  private let interval = Duration.milliseconds(500)

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let changes = effort(quick: 20, full: 120)
    var figures: [String: Double] = [:]
    for (name, measured) in [
      ("weir", try await throughWeir(changes, in: directory)),
      ("nginx", try await throughNginx(changes, in: directory)),
    ] {
      for (figure, value) in measured { figures["\(name).\(figure)"] = value }
      Progress.say(
        "  \(name): " + measured.sorted { $0.key < $1.key }.map { "\($0) \(Text.number($1))" }.joined(separator: ", "))
    }
    return figures
  }

  private func throughWeir(_ changes: Int, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let manifests = try ManifestDirectory(in: directory)
    let first = try await start("weir", 0..<backends)
    try manifests.write("service.yaml", [ServiceManifest("target", namespace: "shop")])
    @Sendable func set(_ backends: [Backend]) throws {
      let endpoints = backends.map { EndpointSliceManifest.Endpoint($0.ip) }
      try manifests.write(
        "endpoints.yaml",
        [EndpointSliceManifest("target-1", namespace: "shop", service: "target", endpoints: endpoints)])
    }
    try set(first)
    let weir = try await WeirProcess.serve(manifests: [manifests.path], in: directory)
    let listen = LoopbackAddress.next() + ":15001"
    do {
      let envoy = try await EnvoyProcess.start(
        bootstrap: weir.bootstrap(nodeID: "benchmark", namespace: "shop", listen: listen), in: directory)
      let tree = ProcessTree(roots: [await weir.process.processID, envoy.process.processID])
      let figures = try await churn("weir", first, changes, through: listen, tree) { try set($0) }
      await envoy.stop()
      await weir.terminate()
      return figures
    } catch {
      await weir.kill()
      throw error
    }
  }

  private func throughNginx(_ changes: Int, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let first = try await start("nginx", 0..<backends)
    let nginx = try await NginxProcess.start(
      listen: LoopbackAddress.next() + ":15001", backends: first, in: directory)
    do {
      let tree = ProcessTree(roots: [nginx.process.processID])
      let figures = try await churn("nginx", first, changes, through: nginx.address, tree) { try await nginx.set($0) }
      await nginx.stop()
      return figures
    } catch {
      await nginx.stop()
      throw error
    }
  }

  private func start(_ name: String, _ numbers: Range<Int>) async throws -> [Backend] {
    var backends: [Backend] = []
    for number in numbers {
      backends.append(
        try await Backend.start("\(name)-\(number)", ip: LoopbackAddress.next(), port: Backend.usualPort))
    }
    return backends
  }

  private func churn(
    _ name: String, _ first: [Backend], _ changes: Int, through address: String, _ tree: ProcessTree,
    set: @Sendable ([Backend]) async throws -> Void
  ) async throws -> [String: Double] {
    let plan = ConstantLoad.Plan(
      address: address, targets: [LoadTarget(host: "target")], pace: .perSecond(rate), connections: connections)
    var current = first
    var delays: [Duration] = []
    let peak = PeakMemory()
    var used = ProcessTree.Usage()
    let (_, report) = try await ConstantLoad.run(plan) { load in
      try await load.pass(requests: rate)
      let watch = Task { await tree.watchMemory(every: .milliseconds(50), into: peak) }
      defer { watch.cancel() }
      let before = tree.usage()
      for change in 0..<changes {
        let next = try await start(name, backends + change..<backends + change + 1)[0]
        let leaving = current.removeFirst()
        current.append(next)
        let began = NIODeadline.now()
        try await set(current)
        let result = try await load.next("an answer of \(next.name)") { $0.backend == next.name }
        delays.append(.nanoseconds((result.finished - began).nanoseconds))
        try await load.pass(requests: Int(Double(rate) * (interval / .seconds(1))))
        // A second after the change, nobody should ask it any more.
        Task {
          try await Task.sleep(for: .seconds(1) - interval)
          await leaving.stop()
        }
      }
      used.cpu = tree.usage().cpu - before.cpu
    }
    try await Task.sleep(for: .seconds(1))
    for backend in current { await backend.stop() }
    delays.sort()
    func delay(_ part: Double) -> Double { delays.nearestRank(part).map { $0 / .milliseconds(1) } ?? .nan }
    func latency(_ part: Double) -> Double { report.latency.percentile(part) / .milliseconds(1) }
    return [
      "requests": Double(report.requests), "failed": Double(report.failed), "changes": Double(changes),
      "p50_ms": latency(0.5), "p90_ms": latency(0.9), "p99_ms": latency(0.99), "p999_ms": latency(0.999),
      "max_ms": report.latency.maximum / .milliseconds(1), "delay_p50_ms": delay(0.5), "delay_p99_ms": delay(0.99),
      "cpu_s": used.cpu, "peak_mb": Double(await peak.bytes) / 1e6, "connections": Double(report.connections),
      "seconds": report.duration / .seconds(1),
    ]
  }
}
