import EnvoyHarness
import Foundation
import NIOCore

/// How long does it take from a manifest's write to the first request that the new endpoint serves, through a real Envoy?
/// benchmarks/EndToEnd/README.md tells how it is measured, and how exactly.
@main
struct EndToEndBenchmark {
  struct Options {
    var changes = 100
    var services = 100
    var protocols = XDSProtocol.allCases
    var isJSON = false
  }

  static func main() async {
    do {
      let options = try parse(Array(CommandLine.arguments.dropFirst()))
      for `protocol` in options.protocols {
        let measurement = try await measure(`protocol`, options)
        say(options.isJSON ? measurement.json : measurement.text)
        guard measurement.report.complaints.isEmpty else {
          throw HarnessError(.malformed, measurement.report.complaints.joined(separator: "\n"))
        }
      }
    } catch {
      FileHandle.standardError.write(Data("EndToEndBenchmark: \(error)\n".utf8))
      exit(1)
    }
  }

  private static func parse(_ arguments: [String]) throws -> Options {
    var options = Options()
    var rest = arguments[...]
    func number() throws -> Int {
      guard let text = rest.popFirst(), let value = Int(text), value > 0 else {
        throw HarnessError(.malformed, "a positive number is missing")
      }
      return value
    }
    while let argument = rest.popFirst() {
      switch argument {
      case "--changes": options.changes = try number()
      case "--services": options.services = try number()
      case "--json": options.isJSON = true
      case "--protocol":
        guard let text = rest.popFirst(), let value = XDSProtocol(rawValue: text) else {
          throw HarnessError(.malformed, "--protocol is delta or sotw")
        }
        options.protocols = [value]
      case "--help", "-h":
        say("usage: EndToEndBenchmark [--changes 100] [--services 100] [--protocol delta|sotw] [--json]")
        exit(0)
      default: throw HarnessError(.malformed, "unknown argument \(argument); see --help")
      }
    }
    return options
  }

  private static func measure(_ protocol: XDSProtocol, _ options: Options) async throws -> Measurement {
    let directory = TemporaryDirectory(prefix: "weir-benchmark")
    defer { directory.remove() }
    let manifests = try ManifestDirectory(in: directory)
    // The others are there to be in the way: nothing of them changes.
    for index in 1..<max(2, options.services) {
      try manifests.write(
        "other-\(index).yaml",
        [
          ServiceManifest("other-\(index)", namespace: "shop"),
          EndpointSliceManifest(
            "other-\(index)", namespace: "shop", service: "other-\(index)",
            endpoints: (1...3).map { .init("10.\(index / 250).\(index % 250).\($0)") }),
        ])
    }
    try manifests.write("target.yaml", [ServiceManifest("target", namespace: "shop")])
    var current = try await Backend.start("target-0", ip: LoopbackAddress.next(), port: Backend.usualPort)
    try write(current, into: manifests)

    let weir = try await WeirProcess.serve(manifests: [manifests.path], state: directory.path + "/state", in: directory)
    do {
      let listen = LoopbackAddress.next() + ":15001"
      let envoy = try await EnvoyProcess.start(
        bootstrap: weir.bootstrap(nodeID: "benchmark", namespace: "shop", listen: listen, protocol: `protocol`),
        in: directory)

      // One connection in a closed loop: the next request leaves when the last is answered, so a change shows one
      // request later at most, and no more than one core is busy with asking.
      let plan = ConstantLoad.Plan(
        address: listen, targets: [LoadTarget(host: "target")], pace: .closedLoop, connections: 1, envoy: envoy,
        sampling: nil)
      var delays: [Duration] = []
      let (_, report) = try await ConstantLoad.run(plan) { load in
        try await load.pass(requests: 200)
        for change in 1...options.changes {
          let next = try await Backend.start("target-\(change)", ip: LoopbackAddress.next(), port: Backend.usualPort)
          let name = next.name
          let began = NIODeadline.now()
          try write(next, into: manifests)
          let first = try await load.next("an answer of \(name)") { $0.backend == name }
          delays.append(.nanoseconds((first.finished - began).nanoseconds))
          // The old one is unused now, as its removal came in the same write; a few requests later it may go.
          try await load.pass(requests: 50)
          await current.stop()
          current = next
        }
      }
      await envoy.stop()
      await weir.terminate()
      await current.stop()
      return Measurement(
        protocol: `protocol`, services: options.services, delays: delays.sorted(), report: report)
    } catch {
      await weir.kill()
      throw error
    }
  }

  private static func write(_ backend: Backend, into manifests: ManifestDirectory) throws {
    let slice = EndpointSliceManifest(
      "target-1", namespace: "shop", service: "target", endpoints: [.init(backend.ip)])
    try manifests.write("target-endpoints.yaml", [slice])
  }
}

/// What one run gives.
struct Measurement {
  var `protocol`: XDSProtocol
  var services: Int
  /// Sorted.
  var delays: [Duration]
  var report: LoadReport

  private var roundTrip: Duration { report.latencyFromSending.percentile(0.5) }
  private var trouble: EnvoyTrouble? { report.trouble }

  func percentile(_ part: Double) -> Duration {
    guard let delay = delays.nearestRank(part) else { preconditionFailure("no change was measured") }
    return delay
  }

  var text: String {
    """
    manifest write to first request served, \(`protocol`), \(services) services, \(delays.count) changes:
      median \(percentile(0.5).milliseconds) ms, p99 \(percentile(0.99).milliseconds) ms, \
    min \(percentile(0).milliseconds) ms, max \(percentile(1).milliseconds) ms
      resolution: one request, \(roundTrip.milliseconds) ms (median)
      \(report.requests) requests, \(report.failed) failed, \(trouble?.summary ?? "")
    """
  }

  var json: String {
    """
    {"benchmark":"end-to-end","protocol":"\(`protocol`)","services":\(services),"changes":\(delays.count),\
    "median_ms":\(percentile(0.5).milliseconds),"p99_ms":\(percentile(0.99).milliseconds),\
    "min_ms":\(percentile(0).milliseconds),"max_ms":\(percentile(1).milliseconds),\
    "resolution_ms":\(roundTrip.milliseconds),"requests":\(report.requests),"failed":\(report.failed),\
    "retries":\(trouble?.retries ?? 0),"connect_failures":\(trouble?.connectFailures ?? 0)}
    """
  }
}

/// Writes a line at once, also where standard output is a pipe.
func say(_ text: String) {
  FileHandle.standardOutput.write(Data((text + "\n").utf8))
}
