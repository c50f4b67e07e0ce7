import EnvoyBootstrap
import Logging
import Synchronization
import Testing
import UnixSignals

@testable import WeirCommand

@Suite(.timeLimit(.minutes(1))) struct ServeSessionTests {
  struct Broken: Error {}

  /// What happened, in order; a step can be awaited.
  final class Diary: Sendable {
    private let steps = Mutex<[String]>([])
    private let stream = AsyncStream.makeStream(of: String.self)

    func write(_ step: String) {
      steps.withLock { $0.append(step) }
      stream.continuation.yield(step)
    }

    /// Each step can be awaited once, in order.
    func wait(for step: String) async {
      for await next in stream.stream where next == step { return }
    }

    var all: [String] { steps.withLock { $0 } }
  }

  final class FakePlane: ServingControlPlane {
    let diary: Diary
    let stops = AsyncThrowingStream.makeStream(of: Void.self)
    let drainEnds = AsyncStream.makeStream(of: Void.self)

    init(_ diary: Diary, drainsAtOnce: Bool = true) {
      self.diary = diary
      if drainsAtOnce { drainEnds.continuation.finish() }
    }

    var addresses: ServedAddresses { ServedAddresses(xds: "127.0.0.1:40001", admin: "127.0.0.1:40002") }

    func waitUntilStopped() async throws {
      for try await _ in stops.stream {}
    }

    func drain(within time: Duration) async {
      diary.write("drain \(time)")
      for await _ in drainEnds.stream {}
    }
  }

  private let diary = Diary()
  private let signals = AsyncStream.makeStream(of: UnixSignal.self)
  private let options = ServeOptions(
    manifests: ["/"], listen: ListenAddresses(plain: NodeMetadata.defaultListen), admin: NodeMetadata.defaultListen,
    logLevel: .info,
    drainTime: .seconds(3))

  private func session(
    start: @escaping @Sendable (ServeOptions, Logger) async throws -> any ServingControlPlane
  ) -> ServeSession {
    ServeSession(
      options: options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, start: start,
      announce: { [diary] in diary.write($0) }, exitAtOnce: { [diary] in diary.write("exit") })
  }

  private func run(_ session: ServeSession) -> Task<Void, any Error> {
    Task { [signals] in try await session.run(signals: signals.stream) }
  }

  private let ready = #"{"ready":true,"xds":"127.0.0.1:40001","admin":"127.0.0.1:40002"}"#

  @Test func aSignalDrainsAndReturns() async throws {
    let plane = FakePlane(diary)
    let running = run(
      session { [options] given, _ in
        #expect(given == options)
        return plane
      })
    await diary.wait(for: ready)
    signals.continuation.yield(.sigterm)
    try await running.value
    #expect(diary.all == [ready, "drain 3.0 seconds"])
  }

  @Test func aSecondSignalExitsAtOnce() async throws {
    let plane = FakePlane(diary, drainsAtOnce: false)
    let running = run(session { _, _ in plane })
    await diary.wait(for: ready)
    signals.continuation.yield(.sigterm)
    await diary.wait(for: "drain 3.0 seconds")
    signals.continuation.yield(.sigint)
    try await running.value
    #expect(diary.all == [ready, "drain 3.0 seconds", "exit"])
  }

  @Test func aSignalWhileStartingCancelsTheStart() async throws {
    let running = run(
      session { [diary] _, _ in
        diary.write("starting")
        try await Task.sleep(for: .seconds(3600))
        return FakePlane(diary)
      })
    await diary.wait(for: "starting")
    signals.continuation.yield(.sigint)
    try await running.value
    #expect(diary.all == ["starting"])
  }

  @Test func whatStartedAfterASignalIsDrained() async throws {
    let plane = FakePlane(diary)
    let running = run(
      session { [diary] _, _ in
        diary.write("starting")
        // Started all the same: the cancellation is only noticed.
        try? await Task.sleep(for: .seconds(3600))
        return plane
      })
    await diary.wait(for: "starting")
    signals.continuation.yield(.sigterm)
    try await running.value
    #expect(diary.all == ["starting", "drain 3.0 seconds"])
  }

  @Test func aFailedStartIsThrown() async {
    let running = run(session { _, _ in throw Broken() })
    await #expect(throws: Broken.self) { try await running.value }
    #expect(diary.all == [])
  }

  @Test func aControlPlaneThatStopsByItselfIsAnError() async {
    let plane = FakePlane(diary)
    let running = run(session { _, _ in plane })
    await diary.wait(for: ready)
    plane.stops.continuation.finish(throwing: Broken())
    await #expect(throws: Broken.self) { try await running.value }

    let quiet = FakePlane(diary)
    let second = run(session { _, _ in quiet })
    await diary.wait(for: ready)
    quiet.stops.continuation.finish()
    await #expect(throws: CommandFailure.self) { try await second.value }
  }

  @Test func stoppingWhileDrainingIsExpected() async throws {
    let plane = FakePlane(diary, drainsAtOnce: false)
    let running = run(session { _, _ in plane })
    await diary.wait(for: ready)
    signals.continuation.yield(.sigterm)
    await diary.wait(for: "drain 3.0 seconds")
    plane.stops.continuation.finish(throwing: Broken())
    plane.drainEnds.continuation.finish()
    try await running.value
  }
}
