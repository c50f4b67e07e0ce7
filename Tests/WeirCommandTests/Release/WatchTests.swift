import Foundation
import ReleaseControl
import Synchronization
import Testing
import TrafficModel
import Weir
import XDSServer

@testable import WeirCommand

@Suite(.timeLimit(.minutes(1))) struct WatchTests {
  private let fake = FakeReleases()
  private let now = FakeReleases.start.addingTimeInterval(90)

  private func report(_ generation: UInt64, _ live: Int, of total: Int, laggards: Int? = nil) -> LiveReport {
    LiveReport(
      generation: generation, isLive: live == total, scope: "all", total: total, live: live,
      laggards: (0..<(laggards ?? total - live)).map {
        .init(node: "sidecar-\($0)", address: "10.0.0.1:\($0)", state: "sent", reasons: ["route: not answered"])
      })
  }

  // MARK: Lines

  @Test func aLogHasALineForEachChange() throws {
    var model = WatchModel()
    let first = try fake.add()
    let second = try fake.add("reviews", .action(.approve))
    let events: [WatchEvent] = [
      .status(first), .live(report(11, 1, of: 2)), .live(report(11, 1, of: 2)), .live(report(11, 2, of: 2)),
      .status(first), .history([]), .status(second), .live(report(11, 2, of: 2)), .lost("gone"), .lost("still gone"),
      .status(second), .live(report(12, 0, of: 9)),
    ]
    let time = "2023-11-14T22:14:50Z "
    #expect(
      events.flatMap { model.take($0, at: now) }
        == [
          "reviews.shop-1: 5 % on v2, waiting for an approval (step 1 of 3); generation 11, revision 1",
          "generation 11 is not live: 1 of 2 proxies; sidecar-0: sent (route: not answered)",
          "generation 11 is live: 2 of 2 proxies",
          "reviews.shop-1: 25 % on v2, running (step 2 of 3); generation 12, revision 2",
          "no answer from the server: gone; trying again", "the server answers again",
          "generation 12 is not live: 0 of 9 proxies; "
            + (0..<5).map { "sidecar-\($0): sent (route: not answered)" }.joined(separator: "; ") + "; and 4 more",
        ].map { time + $0 })
  }

  // MARK: The picture

  private func model(_ status: ReleaseStatus, _ others: WatchEvent...) -> WatchModel {
    var model = WatchModel()
    for event in [.status(status)] + others { _ = model.take(event, at: now) }
    return model
  }

  private func entries(_ count: UInt64) -> [LedgerLine] {
    (1...count).map {
      LedgerLine(
        sequence: $0, release: "reviews.shop-1", service: "reviews", at: FakeReleases.start, action: "set-weight",
        actor: "alice", reason: "版本\u{1b}[2J", fromWeight: 5, toWeight: 25, generation: 1, liveEverywhereAt: nil,
        refersTo: nil, outcome: "manual", previousHash: "00", hash: "")
    }
  }

  @Test func thePictureShowsTheRelease() throws {
    let status = try fake.add("reviews", .action(.approve), .live, reason: "fine")
    var history = entries(3)
    history[1].action = "live-everywhere"
    history[1].refersTo = 1
    history[1].at += 1.5
    let picture = WatchPicture(
      model(status, .live(report(12, 2, of: 3)), .history(history)), server: "http://127.0.0.1:15014", now: now,
      size: .init(columns: 80, rows: 24))
    #expect(
      picture.lines == [
        "reviews.shop-1  canary, revision 2",
        "v1         75 %  #####################################.............",
        "v2         25 %  ############......................................",
        "state   running (step 2 of 3), for 30s",
        "live    2 of 3 proxies, not everywhere yet, generation 12",
        "steps   5 % (approval) > [25 % (30s)] > 100 %",
        "next    100 % in 0s",
        "reason  fine",
        "ready   v1 4, v2 2",
        "  sidecar-0: sent, route: not answered",
        "",
        "22:13:20  set-weight  5 % > 25 %  live after 1500ms  alice  版本 [2J",
        "22:13:20  set-weight  5 % > 25 %  alice  版本 [2J",
        "http://127.0.0.1:15014; Ctrl-C ends",
      ])
  }

  @Test func aReleaseThatIsGoneHasNoShares() throws {
    let picture = WatchPicture(
      model(try fake.add("reviews", .action(.abort))), server: "s", now: now, size: .init(columns: 80, rows: 24))
    #expect(picture.lines[1] == "weights routes are as the manifests say")
  }

  @Test func noPictureIsWiderOrHigherThanTheTerminal() throws {
    let status = try fake.add(
      "reviews", steps: (1...40).map { ReleaseStep(Weight(integerLiteral: $0)) }, .action(.approve), reason: "版本二")
    let full = model(status, .live(report(12, 0, of: 900)), .history(entries(50)))
    var lost = full
    _ = lost.take(.lost("nothing listens at 127.0.0.1:15014"), at: now)
    for model in [full, lost, WatchModel()] {
      for columns in [1, 2, 7, 8, 20, 39, 40, 49, 50, 79, 80, 200] {
        for rows in [1, 2, 5, 10, 24, 60] {
          let lines = WatchPicture(
            model, server: "http://127.0.0.1:15014", now: now, size: .init(columns: columns, rows: rows)
          ).lines
          #expect((1...rows).contains(lines.count), "\(columns) x \(rows): \(lines)")
          for line in lines { #expect(line.columns <= columns, "\(columns) x \(rows): \(line)") }
          #expect(lines.allSatisfy { !$0.unicodeScalars.contains { $0.value < 0x20 } })
        }
      }
    }
    let narrow = WatchPicture(lost, server: "s", now: now.addingTimeInterval(3), size: .init(columns: 40, rows: 12))
      .lines
    #expect(narrow.contains("v2     2 %  #..........................."))
    #expect(narrow.contains("steps 2 of 41, 2 %"))
    #expect(narrow.last == "no answer for 3s, trying again: nothing…")
  }

  // MARK: The session

  private final class Screen: Sendable {
    private let text = Mutex("")
    var written: String { text.withLock { $0 } }
    func write(_ more: String) { text.withLock { $0 += more } }
  }

  private func show(_ inputs: [WatchSession.Input], json: Bool = false, onTerminal: Bool) async throws -> String {
    let screen = Screen()
    let session = WatchSession(
      server: "s", json: json, terminal: onTerminal ? Terminal { screen.write($0) } : nil,
      size: .init(columns: 80, rows: 24), write: { screen.write($0) }, now: { [now] in now })
    try await session.run(
      AsyncThrowingStream<WatchSession.Input, any Error> { continuation in
        for input in inputs { continuation.yield(input) }
        continuation.finish(throwing: ReleaseError(.unknownRelease, "it is gone"))
      })
    return screen.written
  }

  @Test func theTerminalIsAsItWasAfterwards() async throws {
    let status = try fake.add()
    let text = try await show(
      [.event(.status(status)), .tick, .resized(.init(columns: 20, rows: 4)), .end, .tick], onTerminal: true)
    #expect(text.hasPrefix("\u{1b}[?1049h\u{1b}[?25l\u{1b}[H"))
    let parts = text.components(separatedBy: "\u{1b}[?25h\u{1b}[?1049l")
    #expect(parts.count == 2)
    // One draw at first, and one for each thing that came.
    #expect(parts[0].components(separatedBy: "\u{1b}[J").count == 5)
    #expect(parts[1] == "reviews.shop-1  can…\nv1    95 %  #######.\nv2     5 %  #.......\ns; Ctrl-C ends\n")
  }

  @Test func theTerminalIsAsItWasAfterAnError() async throws {
    let screen = Screen()
    let session = WatchSession(
      server: "s", terminal: Terminal { screen.write($0) }, size: .init(columns: 80, rows: 24),
      write: { screen.write($0) }, now: { [now] in now })
    await #expect(throws: ReleaseError.self) {
      try await session.run(
        AsyncThrowingStream<WatchSession.Input, any Error> {
          $0.finish(throwing: ReleaseError(.unknownRelease, "it is gone"))
        })
    }
    #expect(screen.written.hasSuffix("\u{1b}[?25h\u{1b}[?1049l"))
  }

  @Test func linesGoToWhatIsNoTerminal() async throws {
    let status = try fake.add()
    let inputs: [WatchSession.Input] = [
      .event(.status(status)), .tick, .event(.live(report(11, 2, of: 2))), .event(.live(report(11, 2, of: 2))), .end,
    ]
    let lines = try await show(inputs, onTerminal: false).split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.last == "2023-11-14T22:14:50Z generation 11 is live: 2 of 2 proxies")
    let json = try await show(inputs, json: true, onTerminal: false).split(separator: "\n").map {
      try ReleaseJSON.decode(ReleaseAnswer.self, from: Data($0.utf8))
    }
    #expect(json.map(\.live?.live) == [nil, 2])
  }

  // MARK: Following

  /// Time passes at once.
  private struct NoTime: Clock {
    struct Instant: InstantProtocol {
      var offset: Duration
      func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
      func duration(to other: Instant) -> Duration { other.offset - offset }
      static func < (a: Instant, b: Instant) -> Bool { a.offset < b.offset }
    }
    var now: Instant { Instant(offset: .zero) }
    var minimumResolution: Duration { .zero }
    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
      try Task.checkCancellation()
      await Task.yield()
    }
  }

  @Test func aServerThatComesBackIsFollowedOn() async throws {
    let first = try fake.add()
    fake.ledger = entries(2)
    let second = try fake.add("reviews", .action(.approve))
    fake.watches([
      .success([first]), .failure(ReleaseError(.unavailable, "nothing listens")),
      .failure(ReleaseError(.unavailable, "nothing listens")), .success([second]),
      .failure(ReleaseError(.unknownRelease, "there is no reviews.shop-1")),
    ])
    var seen: [String] = []
    let watch = ReleaseWatch(backend: fake, id: "reviews.shop-1", clock: NoTime())
    do {
      for try await event in watch.events() {
        switch event {
        case .status(let status): seen.append("revision \(status.revision)")
        case .live(let report):
          // It is asked about again and again, also while the history is on its way.
          let live = "live \(report.generation)"
          if seen.last(where: { $0.hasPrefix("live") }) != live { seen.append(live) }
        case .history(let entries): seen.append("\(entries.count) entries")
        case .lost(let message): seen.append("lost: \(message)")
        }
      }
      Issue.record("it ended")
    } catch let error as ReleaseError {
      #expect(error.code == .unknownRelease)
    }
    #expect(
      seen == [
        "revision 1", "live 11", "2 entries", "lost: it has ended the connection", "lost: nothing listens",
        "lost: nothing listens", "revision 2", "live 12", "2 entries", "lost: it has ended the connection",
      ])
  }

  @Test func whatIsNotLiveIsAskedAboutAgain() async throws {
    let status = try fake.add()
    fake.answer(live: report(11, 1, of: 2))
    // The stream stays open after its first status.
    let backend = Holding(fake: fake, status: status)
    let watch = ReleaseWatch(backend: backend, id: "reviews.shop-1", clock: NoTime())
    var seen: [Int] = []
    for try await event in watch.events() {
      guard case .live(let report) = event else { continue }
      seen.append(report.live)
      if seen == [1] { fake.answer(live: self.report(11, 2, of: 2)) }
      if report.live == 2 { break }
    }
    #expect(seen.first == 1)
    #expect(seen.last == 2)
  }

  /// Sends one status, and nothing after it.
  private struct Holding: ReleaseBackend {
    var fake: FakeReleases
    var status: ReleaseStatus

    func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
      AsyncThrowingStream { [status] in $0.yield(status) }
    }
    func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus { status }
    func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
      status
    }
    func status(of id: String) async throws -> ReleaseStatus { status }
    func list() async throws -> [ReleaseStatus] { [status] }
    func history(of id: String) async throws -> [LedgerLine] { [] }
    func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] { [] }
    func verify(against mark: String?) async throws -> LedgerVerdict { try await fake.verify(against: mark) }
    func live(
      _ generation: UInt64, of id: String, on scope: ProxyScope, within time: Duration
    ) async throws -> LiveReport { try await fake.live(generation, of: id, on: scope, within: time) }
  }
}
