internal import Foundation
internal import NIOCore
internal import NIOPosix

/// The clients of `ConnectionCycles`, against a server in a process of its own; and what that process's memory does meanwhile.
///
/// One client at a time, so that the class of proxies that it belongs to comes and goes with it. They come from many addresses: what
/// they do is a waste of the server's time, and those from one would soon be served when nothing else on the machine is to do.
public struct ServedCycles: Sendable {
  public let count: Int
  /// Memory is compared from here on: before, caches fill and the allocator settles.
  public let measuredAfter: Int
  public let seed: UInt64

  public init(count: Int, measuredAfter: Int, seed: UInt64) {
    self.count = count
    self.measuredAfter = measuredAfter
    self.seed = seed
  }

  public struct Report: Sendable, CustomStringConvertible {
    /// Cycles that got a response.
    public var subscribed = 0
    /// The process's own memory (`RssAnon`) in bytes, after `measuredAfter` cycles and after each thousand more.
    public var bytes: [Int] = []

    /// Grown by, in kB for each thousand cycles.
    public var kilobytesPerThousand: Double {
      guard let first = bytes.first, let last = bytes.last, bytes.count > 1 else { return 0 }
      return Double(last - first) / 1024 / Double(bytes.count - 1)
    }

    public var description: String {
      "\(subscribed) with a response; memory of its own, kB: \(bytes.map { "\($0 / 1024)" }.joined(separator: " ")); "
        + String(format: "%+.1f kB for each thousand cycles", kilobytesPerThousand)
    }
  }

  /// - Parameters:
  ///   - server: `HOST:PORT`.
  ///   - process: the server's.
  public func run(against server: String, process: Int32) async throws -> Report {
    let parts = server.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]) else { throw FuzzFailure("no address: \(server)") }
    let address = try SocketAddress(ipAddress: String(parts[0]), port: port)
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    do {
      let report = try await run(on: group, address, process)
      try await group.shutdownGracefully()
      return report
    } catch {
      try? await group.shutdownGracefully()
      throw error
    }
  }

  private func run(
    on group: MultiThreadedEventLoopGroup, _ address: SocketAddress, _ process: Int32
  ) async throws -> Report {
    var random = FuzzRandom(seed: seed)
    var report = Report()
    for cycle in 0...count {
      if cycle >= measuredAfter, (cycle - measuredAfter) % 1000 == 0 { report.bytes.append(try await settled(process)) }
      guard cycle < count else { break }
      let client = CycleClient(leaving: random.pick(CycleClient.Leaving.allCases), isDelta: random.oneIn(2))
      let source = try SocketAddress(ipAddress: "127.0.3.\(1 + cycle % 250)", port: 0)
      if try await client.run(on: group.any(), address, from: source) { report.subscribed += 1 }
    }
    return report
  }

  /// Looks until the server has given back what it will, which it does in a calm moment, or for ten seconds: the least that was
  /// seen.
  private func settled(_ process: Int32) async throws -> Int {
    var least = try Self.anonymousBytes(process)
    for _ in 0..<20 {
      try await Task.sleep(for: .milliseconds(500))
      least = min(least, try Self.anonymousBytes(process))
    }
    return least
  }

  private static func anonymousBytes(_ process: Int32) throws -> Int {
    guard let bytes = ProcessMemory.bytes("RssAnon", of: "\(process)") else { throw FuzzFailure("the server has gone") }
    return bytes
  }
}
