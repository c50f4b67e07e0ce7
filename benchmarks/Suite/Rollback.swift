import EnvoyHarness
import Foundation

/// A release is rolled back while a thousand proxies hold everything: from the call, over HTTP, to the last of them having
/// acknowledged it, by the server's own word (`/live`). The release is kept on the disk before anything is sent.
struct Rollback: Measurement {
  var services: Int
  /// Whether proxies take virtual hosts one by one.
  var byVHDS: Bool
  var proxies = 1000
  private static let service = "service-1.\(Mesh.namespace)"

  static let all = [
    Rollback(services: 1000, byVHDS: true), Rollback(services: 100, byVHDS: false),
    Rollback(services: 1000, byVHDS: false),
  ]

  var name: String { "rollback-\(byVHDS ? "vhds" : "rds")-\(services)" }
  /// A whole route table of a thousand services is a gigabyte to all streams.
  private var isHeavy: Bool { !byVHDS && services >= 1000 }

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let scene = try await FanOutScene.start(
      Mesh(services: services), flags: ["--vhds", byVHDS ? "on" : "off"], state: directory.path + "/state",
      in: directory)
    let fleet = try await ChildProcess.spawn(
      ProgramFile.ownDirectory + "/weir-load",
      await scene.arguments(proxies: proxies, protocol: .delta)
        // It stays until it is ended.
        + ["--user-agent", "envoy/1.40.0", "--settle", "3600", "--json"],
      logPath: directory.path + "/weir-load.log", readsLines: true)
    do {
      let figures = try await measure(scene, fleet, effort, in: directory)
      await fleet.kill()
      await scene.stop()
      return figures
    } catch {
      await fleet.kill()
      await scene.stop()
      throw error
    }
  }

  private func measure(
    _ scene: FanOutScene, _ fleet: ChildProcess, _ effort: Effort, in directory: TemporaryDirectory
  ) async throws -> [String: Double] {
    let sync = try await within(.seconds(300), "\(proxies) proxies in sync") { () -> JSON in
      for await line in fleet.lines {
        let event = try JSON(parsing: line)
        if event["event"].string == "sync" { return event }
      }
      throw HarnessError(.exited, "weir-load ended:\n\(fleet.logTail())")
    }
    let releases = WeirReleases(admin: scene.weir.addresses.admin)
    let count = isHeavy ? effort(quick: 5, full: 25) : effort(quick: 20, full: 300)
    var times: [Double] = []
    var calls: [Double] = []
    let before = try await sent(scene)
    for _ in 1...count {
      let id =
        try await releases.start(
          #"{"service": "\#(Self.service)", "from": "v1", "to": "v2", "steps": [50]}"#)["id"].string ?? ""
      try await live(id, releases)
      let clock = ContinuousClock()
      let began = clock.now
      _ = try await releases.move(id, "rollback")
      calls.append((clock.now - began) / .milliseconds(1))
      try await live(id, releases)
      times.append((clock.now - began) / .milliseconds(1))
    }
    let pushes = Double(2 * count * proxies)
    let after = try await sent(scene)
    let bytes = (after - before) / pushes
    times.sort()
    calls.sort()
    var figures = [
      "p50_ms": times.nearestRank(0.5), "p99_ms": times.nearestRank(0.99), "max_ms": times.last,
      "call_p50_ms": calls.nearestRank(0.5), "rollbacks": Double(count), "bytes_per_stream": bytes,
    ].compactMapValues(\.self)
    if isHeavy {
      // An ACK in delta is some dozens of bytes.
      let wire = wireBytes(bytes, messages: 1)
      let first = wireBytes(
        sync["bytes_per_stream"].number ?? .nan, messages: sync["responses_per_stream"].number ?? .nan)
      let limit = try await LimitLine(
        streams: proxies, subscription: 1000, first: first, firstAck: 86, push: wire, ack: 86, pushes: count
      ).run(in: directory)
      figures["limit_wall_ms"] = limit.wall
      figures["limit_wall_p99_ms"] = limit.wallP99
    }
    return figures
  }

  private func live(_ id: String, _ releases: WeirReleases) async throws {
    let report = try await releases.live(id, waitSeconds: 60)
    guard report["isLive"].bool == true, report["total"].integer == proxies else {
      throw HarnessError(.timeout, "\(id) is live on \(report["live"]) of \(report["total"])")
    }
  }

  private func sent(_ scene: FanOutScene) async throws -> Double {
    try await scene.weir.metrics().sum("weir_xds_bytes_sent_total")
  }
}

/// `weir serve` is killed while releases are moved; what was acknowledged must be there. It ends with an error, and so fails,
/// at the first disagreement.
struct ReleaseKills: Measurement {
  let name = "release-kills"

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let lines = try await Program("ReleaseTrials").lines(
      ["kills", "--json", "--kills", effort(quick: "25", full: "500")], in: directory)
    guard let line = lines.last else { throw HarnessError(.malformed, "ReleaseTrials told nothing") }
    return line.numbers
  }
}
