import EnvoyHarness

/// One weight changed among 10,000 virtual hosts that proxies take one by one (VHDS).
struct HostByHost: Measurement {
  let name = "vhds"

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let scene = try await FanOutScene.start(
      Mesh(services: 10_000, endpointsPerVersion: 1), flags: ["--vhds", "on"], in: directory)
    return try await onePerStream(scene, trigger: scene.weightTrigger, effort, in: directory)
  }
}

/// The figures of changes that must each send one small resource to each of a hundred streams. Stops the scene.
func onePerStream(
  _ scene: FanOutScene, trigger: [String], _ effort: Effort, in directory: TemporaryDirectory
) async throws -> [String: Double] {
  let events: [LoadTool.Event]
  do {
    events = try await LoadTool(
      arguments: await scene.arguments(proxies: 100, protocol: .delta) + trigger + [
        "--user-agent", "envoy/1.40.0", "--updates", effort(quick: "20", full: "100"), "--interval", "0.1",
      ]
    ).run(in: directory)
  } catch {
    await scene.stop()
    throw error
  }
  await scene.stop()
  var figures = try events.first("changes").figures
  let sync = try events.first("sync")
  figures["sync_bytes_per_stream"] = sync["bytes_per_stream"]
  // Nothing at all is no small answer.
  if let bytes = figures["bytes_per_stream_and_change"], let messages = figures["responses_per_stream_and_change"],
    messages > 0
  {
    figures["bytes_per_stream"] = Double(wireBytes(bytes, messages: messages))
  }
  return figures
}
