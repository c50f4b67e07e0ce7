import EnvoyHarness
import Foundation

/// One cell of the fan-out grid: `weir serve` with S services, N proxies that hold everything, and what a changed endpoint and a
/// changed weight cost; the limit line beside both, from the sizes that the proxies saw.
struct FanOut: Measurement {
  var services: Int
  var proxies: Int
  var `protocol`: XDSProtocol

  /// Services and proxies, small to large.
  static let grid = [(1000, 1), (1000, 100), (1000, 1000), (5000, 100), (5000, 1000)]
    .map { (services: $0.0, proxies: $0.1) }

  /// The grid in both protocols.
  static let all = [XDSProtocol.delta, .stateOfTheWorld].flatMap { variant in
    grid.map { FanOut(services: $0.services, proxies: $0.proxies, protocol: variant) }
  }

  var name: String { "fanout-\(`protocol`)-\(services)x\(proxies)" }

  /// The storm and the memory are asked for with these: a thousand proxies in delta.
  private var isLarge: Bool { `protocol` == .delta && proxies == 1000 }

  /// Of how many servers the cost of a changed endpoint is the median. Its bar with few proxies is a time, and not beside something that
  /// the same machine has just done; one server and another differ by a tenth and more, by where their memory lies.
  private var servers: Int { `protocol` == .delta && services == 5000 && proxies == 100 ? 3 : 1 }

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let events = try await serve(effort, in: directory) { scene in
      (measuresWeight(effort) ? scene.bothTriggers : scene.endpointTrigger)
        + (isLarge && services == 1000 ? ["--storms", effort(quick: "1", full: "5")] : [])
    }
    var figures: [String: Double] = [:]
    let sync = try events.first("sync")
    take(sync, "sync", into: &figures)
    for event in events where event.name == "storm" { take(event, "storm\(Int(event["storm"]))", into: &figures) }
    if let settled = events.first(where: { $0.name == "settled" }) { take(settled, "settled", into: &figures) }
    for (trigger, change) in [(1.0, "endpoint"), (2.0, "weight")] where trigger == 1 || measuresWeight(effort) {
      let event = try events.first("changes", "trigger", trigger)
      take(event, change, into: &figures)
      let limit = try await limitLine(sync, event, effort).run(in: directory)
      figures["\(change).limit_cpu_ms"] = limit.push
      figures["\(change).limit_wall_ms"] = limit.wall
      figures["\(change).ratio"] = event["server_cpu_ms"] / limit.push
      figures["sync.limit_cpu_ms"] = limit.sync
      Progress.say("  \(change): server \(Text.number(event["server_cpu_ms"])) ms, limit \(Text.number(limit.push)) ms")
    }
    try await measureOthers(effort, &figures, in: directory)
    return figures
  }

  private func measureOthers(
    _ effort: Effort, _ figures: inout [String: Double], in directory: TemporaryDirectory
  ) async throws {
    guard servers > 1, let first = figures["endpoint.server_cpu_ms"] else { return }
    var costs = [first]
    for number in 2...servers {
      let changes = try await serve(effort, in: directory) { $0.endpointTrigger }.first("changes")
      costs.append(changes["server_cpu_ms"])
      figures["endpoint.server\(number)_not_received"] = changes["not_received"]
    }
    for (index, cost) in costs.enumerated() { figures["endpoint.server\(index + 1)_cpu_ms"] = cost }
    let median = costs.sorted()[costs.count / 2]
    figures["endpoint.server_cpu_ms"] = median
    figures["endpoint.ratio"] = figures["endpoint.limit_cpu_ms"].map { median / $0 }
  }

  /// What weir-load finds of a server of its own.
  /// - Parameter arguments: of weir-load, about changes.
  private func serve(
    _ effort: Effort, in directory: TemporaryDirectory, _ arguments: (FanOutScene) -> [String]
  ) async throws -> [LoadTool.Event] {
    let scene = try await FanOutScene.start(
      Mesh(services: services), flags: FanOutScene.wholeRouteTables + roomForRequests, in: directory)
    do {
      // The settling also where no memory is looked at: what the sync leaves behind is let go of meanwhile, and is no part of a change.
      let events = try await LoadTool(
        arguments: await scene.arguments(proxies: proxies, protocol: `protocol`) + arguments(scene)
          + ["--updates", "\(updates(effort))", "--interval", "0.1", "--settle", "10"]
      ).run(in: directory)
      await scene.stop()
      return events
    } catch {
      await scene.stop()
      throw error
    }
  }

  /// More than the 512 MiB that all clients together may make the server hold unless it is told otherwise: in the state of the
  /// world an ACK of 10,000 assignments names them all, 750 kB, and here a thousand of them come at once; so do 668 kB of claims
  /// in a storm with a thousand services. What waits may be half of the whole.
  private var roomForRequests: [String] {
    switch services * proxies {
    case 5_000_000...: ["--max-buffer-memory", "4GiB"]
    case 1_000_000... where isLarge: ["--max-buffer-memory", "2GiB"]
    default: []
    }
  }

  /// There a weight is 4.6 GB to all streams.
  private func measuresWeight(_ effort: Effort) -> Bool { effort == .full || services * proxies < 5_000_000 }

  /// What every stream gets for a weight is the whole route table, and what it says in the state of the world all names: up to
  /// gigabytes a change in all.
  private func updates(_ effort: Effort) -> Int {
    switch services * proxies {
    case 5_000_000...: effort(quick: 10, full: 10)
    case 1_000_000...: effort(quick: 10, full: 25)
    default: `protocol` == .stateOfTheWorld ? effort(quick: 10, full: 25) : effort(quick: 30, full: 100)
    }
  }

  private func take(_ event: LoadTool.Event, _ name: String, into figures: inout [String: Double]) {
    for (figure, value) in event.figures { figures["\(name).\(figure)"] = value }
  }

  private func limitLine(_ sync: LoadTool.Event, _ change: LoadTool.Event, _ effort: Effort) -> LimitLine {
    func wire(_ event: LoadTool.Event, _ bytes: String, _ messages: String, _ suffix: String) -> Int {
      wireBytes(event["\(bytes)_\(suffix)"], messages: event["\(messages)_\(suffix)"])
    }
    let each = "per_stream_and_change"
    let ack = wire(change, "sent_bytes", "requests", each)
    return LimitLine(
      streams: proxies, subscription: max(1, wire(sync, "sent_bytes", "requests", "per_stream") - ack),
      first: wire(sync, "bytes", "responses", "per_stream"), firstAck: ack,
      push: wire(change, "bytes", "responses", each), ack: ack, pushes: max(10, updates(effort) / 2))
  }
}
