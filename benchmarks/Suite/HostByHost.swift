import EnvoyHarness

/// One weight changed among 10,000 virtual hosts that proxies take one by one (VHDS).
struct HostByHost: Measurement {
  let name = "vhds"
  private let proxies = 100

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let scene = try await FanOutScene.start(
      Mesh(services: 10_000, endpointsPerVersion: 1), flags: ["--vhds", "on"], in: directory)
    let events: [LoadTool.Event]
    do {
      let arguments = await scene.arguments(proxies: proxies, protocol: .delta) + scene.weightTrigger
      events = try await LoadTool(
        arguments: arguments + [
          "--user-agent", "envoy/1.40.0", "--updates", effort(quick: "20", full: "100"), "--interval", "0.1",
        ]
      ).run(in: directory)
    } catch {
      await scene.stop()
      throw error
    }
    await scene.stop()
    return try onePerStream(events)
  }
}

/// The figures of a change that must send one small resource to each stream.
func onePerStream(_ events: [LoadTool.Event]) throws -> [String: Double] {
  var figures = try events.first("changes").figures
  let sync = try events.first("sync")
  figures["sync_bytes_per_stream"] = sync["bytes_per_stream"]
  figures["bytes_per_stream"] = Double(
    wireBytes(
      figures["bytes_per_stream_and_change"] ?? .nan, messages: figures["responses_per_stream_and_change"] ?? .nan))
  return figures
}
