import EnvoyHarness
import NIOCore

/// One kind of attack after the other, and what each costs the server.
struct EachKind {
  let scene: Scene
  let options: Options

  func run() async throws -> Bool {
    say(
      "| kind | connects | thrown out | sent MB | server CPU s | attacker CPU s | µs a connect | ns a byte | p99 ms | RSS MB | log lines |"
    )
    say("|---|---|---|---|---|---|---|---|---|---|---|")
    _ = try await scene.updates(for: 2)
    let kinds = Attack.all(seed: options.seed).map(\.name).filter {
      options.kinds.isEmpty || options.kinds.contains($0)
    }
    let sockets = scene.probe.sockets
    // What the updates alone cost.
    let idle = scene.probe.cpu
    _ = try await scene.updates(for: 5)
    let own = (scene.probe.cpu - idle) / 5
    for kind in kinds {
      let (cpu, lines, metrics) = (scene.probe.cpu, scene.probe.log.lines, try await scene.weir.metrics())
      let attack = try await scene.attack(kinds: [kind], connections: options.connections, seconds: options.window)
      let updates = try await scene.updates(for: options.window)
      let report = try await attack.finish()
      let memory = scene.probe.residentMemory
      let used = scene.probe.cpu - cpu - own * options.window
      let (connects, sent) = report.tallies.reduce((0, 0)) { ($0.0 + $1.connects, $0.1 + $1.sent) }
      let thrown = report.tallies.reduce(0) { $0 + $1.thrownOut }
      let cells = [
        kind, "\(connects)", "\(thrown)", megabytes(sent), decimals(used), decimals(report.cpu),
        decimals(used * 1e6 / Double(max(1, connects)), 0), decimals(used * 1e9 / Double(max(1, sent)), 1),
        decimals(updates.latencies.percentile(0.99)), megabytes(memory), "\(scene.probe.log.lines - lines)",
      ]
      say("| " + cells.joined(separator: " | ") + " |")
      if options.kinds.count == 1 {
        for (name, growth) in try await scene.weir.metrics().growth(since: metrics) { say("  \(name) +\(Int(growth))") }
      }
      guard await scene.isAlive else { throw HarnessError(.exited, "the server has died of \(kind)") }
      if await scene.settle(to: sockets) == nil {
        say("  \(scene.probe.sockets - sockets) connections stay open after \(kind)")
      }
    }
    return scene.bystander.reordered.isEmpty
  }
}
