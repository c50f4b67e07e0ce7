import EnvoyAPI
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import XDSServer

/// What a client says must not decide how much is logged.
@Suite(.timeLimit(.minutes(1))) struct LogFloodTests {
  final class Lines: Sendable {
    let messages = Mutex<[String]>([])
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }
  }

  private struct Handler: LogHandler {
    let lines: Lines
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
    init(lines: Lines) { self.lines = lines }
    func log(event: LogEvent) {
      let text = "\(event.message) \(event.metadata ?? [:])"
      lines.messages.withLock { $0.append(text) }
    }
  }

  private static func withStream(_ body: (RawStream, Lines) async throws -> Void) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let lines = Lines()
    let xds = XDSServer(logger: lines.logger, classify: { _ in World.proxyClass })
    let server = GRPCServer(group: group, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
      xds.accept($0)
    }
    let port = try await server.bind(to: .tcp(host: "127.0.0.1", port: 0)).port ?? 0
    var world = World()
    world.cluster("a")
    xds.publish(world.generation())
    var failure: (any Error)?
    do {
      let client = try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: group)
      let method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
      try await body(await RawStream.open(.delta, client, method), lines)
    } catch {
      failure = error
    }
    await server.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
    if let failure { throw failure }
  }

  @Test("A client that refuses without end is logged a few times, not each time")
  func refusals() async throws {
    try await Self.withStream { stream, lines in
      stream.subscribe(.cluster)
      var received = try await stream.next()
      let rounds = 150
      for round in 1...rounds {
        var refusal = DeltaDiscoveryRequest()
        refusal.responseNonce = received.nonce
        refusal.errorDetail = ErrorDetail(code: 13, message: "no")
        refusal.resourceNamesSubscribe = ["a"]
        stream.send(refusal, .cluster)
        if round < rounds { received = try await stream.next() }
      }
      // An answer of another type says that all refusals have been read.
      stream.subscribe(.listener)
      _ = try await stream.next()
      let refusals = lines.messages.withLock { $0.filter { $0.contains("refused") } }
      #expect((1..<100).contains(refusals.count), "\(refusals.count) lines")
    }
  }

  @Test("A type's name in the log is cut")
  func unknownType() async throws {
    try await Self.withStream { stream, lines in
      // The longest that are read.
      for number in 0..<20 {
        var request = DeltaDiscoveryRequest()
        request.typeURL = "\(number)" + String(repeating: "x", count: 1000)
        stream.send(request, nil)
      }
      stream.subscribe(.cluster)
      _ = try await stream.next()
      let bytes = lines.messages.withLock { $0.reduce(0) { $0 + $1.utf8.count } }
      #expect((20 * 256..<20 * 500).contains(bytes), "\(bytes) bytes")
    }
  }
}
