import EnvoyHarness
import Foundation

/// The bare C program of benchmarks/limit, fed with the sizes that real streams have shown.
struct LimitLine {
  var streams: Int
  /// Bytes that a stream sends before its first answers, gets as such, and says to them.
  var subscription: Int
  var first: Int
  var firstAck: Int
  /// Bytes of a push and its ACK.
  var push: Int
  var ack: Int
  var pushes: Int
  var intervalMilliseconds = 50

  struct Result {
    /// The server's CPU time, milliseconds: for accepting, reading the subscriptions and writing the first answers; for each push.
    var sync: Double
    var push: Double
    /// From the first write to the last ACK, milliseconds (median, and 99 of 100).
    var wall: Double
    var wallP99: Double
  }

  private var sizes: [String] { [subscription, first, firstAck, push, ack, pushes].map(String.init) }

  /// Runs both sides, each in a process of its own.
  func run(in directory: TemporaryDirectory) async throws -> Result {
    let program = ProgramFile.ownDirectory + "/LimitLine"
    let log = directory.path + "/limit.log"
    let server = try await ChildProcess.spawn(
      program, ["serve", "\(streams)"] + sizes + ["\(intervalMilliseconds)"], logPath: log, readsLines: true)
    var lines = server.lines.makeAsyncIterator()
    guard let port = await lines.next() else {
      throw HarnessError(.exited, "LimitLine did not start:\n\(server.logTail())")
    }
    let client = try await ChildProcess.spawn(program, ["connect", port, "\(streams)"] + sizes, logPath: log)
    guard let line = await lines.next() else {
      await client.kill()
      throw HarnessError(.exited, "LimitLine ended early:\n\(server.logTail())")
    }
    await server.waitForExit()
    await client.waitForExit()
    Progress.say("  " + line)
    let figures = try JSON(parsing: line).object
    func figure(_ name: String) -> Double {
      if case .number(let value)? = figures[name] { value } else { .nan }
    }
    return Result(
      sync: figure("sync_cpu_ms"), push: figure("cpu_ms"), wall: figure("wall_median_ms"),
      wallP99: figure("wall_p99_ms"))
  }
}

/// The limit line by itself, so that a bug in it shows: a thousand sockets, 900 bytes.
struct Limit: Measurement {
  let name = "limit"

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let line = LimitLine(
      streams: 1000, subscription: 1000, first: 1000, firstAck: 86, push: 900, ack: 86,
      pushes: effort(quick: 20, full: 100))
    let result = try await line.run(in: directory)
    return ["900.cpu_ms": result.push, "900.wall_ms": result.wall]
  }
}

/// How many bytes gRPC messages make on an HTTP/2 connection: a prefix of 5 bytes each, and a frame header of 9 bytes for each
/// 16,384 begun.
func wireBytes(_ bytes: Double, messages: Double) -> Int {
  guard messages > 0 else { return 0 }
  let each = bytes / messages + 5
  return Int((messages * (each + 9 * (each / 16_384).rounded(.up))).rounded())
}
