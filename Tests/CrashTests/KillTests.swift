import EnvoyHarness
import Foundation
import Testing

/// `weir serve` is killed 200 times while good and broken files are written: after each restart what is served is what
/// was served before, or what the good files say now. `WEIR_SEED` repeats a run's files and its choice of instants,
/// `WEIR_KILLS` changes their number.
@Suite("Kills", .serialized) struct KillTests {
  /// When the kill comes.
  enum Phase: String, CaseIterable {
    /// Right after the last of some writes, so before the server has heard of it.
    case afterWrite = "right after a write"
    /// Some milliseconds after the last of some writes: while it is taken in, stored, compiled.
    case shortlyAfterWrite = "0-40 ms after a write"
    /// And the writer too: the file stays as it is.
    case tornWrite = "in the middle of a write that stays torn"
    /// While writes go on.
    case whileWriting = "while writes go on"
    /// From the first instruction of a start to when it serves.
    case starting = "during a start"
    /// The files change while the killed start goes on.
    case startingWhileWriting = "during a start, while writes go on"
  }

  private static let things = 4

  @Test func whatWasServedOrWhatTheGoodFilesSay() async throws {
    var random = SeededRandom()
    print("kills: WEIR_SEED=\(random.seed)")
    let kills = ProcessInfo.processInfo.environment["WEIR_KILLS"].flatMap { Int($0) } ?? 200
    let directory = TemporaryDirectory(prefix: "weir-kills")
    defer { directory.remove() }
    var manifests = try Manifests(path: directory.path + "/manifests", things: Self.things)
    let state = directory.path + "/state"
    let clock = ContinuousClock()
    let began = clock.now
    var server = try await ServerUnderTest(
      manifests: manifests.path, state: state, log: directory.path + "/weir.log")
    let startTime = clock.now - began
    try await server.visit()
    try await check(server, &manifests, "the first start")

    var byPhase: [Phase: Int] = [:]
    var done = 0
    var kept = (restarts: 0, things: 0, certain: 0)
    while done < kills {
      let phase = Phase.allCases.randomElement(using: &random)!
      try await kill(phase, &server, &manifests, startTime, &random)
      byPhase[phase, default: 0] += 1
      done += 1
      if Bool.random(using: &random) {
        // While it is away.
        for _ in 0..<Int.random(in: 1...4, using: &random) { try manifests.change(&random) }
      }

      let before = manifests.possible
      try await server.spawn()
      try await server.waitUntilReady()
      let seen = try await check(server, &manifests, "kill \(done), \(phase.rawValue), WEIR_SEED=\(random.seed)")
      let survivors = manifests.broken.map(\.thing).filter { seen.versions[$0] != nil }
      kept.restarts += survivors.isEmpty ? 0 : 1
      kept.things += survivors.count
      kept.certain += survivors.count { before[$0]!.count == 1 }
      try expectTidy(state)
    }
    await server.process.kill()

    print("kills: \(done) in \(clock.now - began), by phase:")
    for phase in Phase.allCases { print("  \(byPhase[phase, default: 0]) \(phase.rawValue)") }
    print("kills: changes of files:")
    for (what, count) in manifests.counts.sorted(by: { $0.key < $1.key }) { print("  \(count) \(what)") }
    print(
      "kills: \(kept.restarts) restarts served the last good version of a broken file, \(kept.things) objects in all, of "
        + "which for \(kept.certain) only one version was possible")
    #expect(kept.restarts > kills / 10)
    #expect(kept.certain > kills / 10)
    #expect(kills < 50 || byPhase.count == Phase.allCases.count)
  }

  /// Changes files and kills the server at some instant.
  private func kill(
    _ phase: Phase, _ server: inout ServerUnderTest, _ manifests: inout Manifests, _ startTime: Duration,
    _ random: inout SeededRandom
  ) async throws {
    func burst() throws {
      for _ in 0..<Int.random(in: 1...5, using: &random) {
        try manifests.change(&random)
      }
    }
    func instant(within longest: Duration) -> Duration { longest * Double.random(in: 0...1, using: &random) }
    /// A random instant needs time to pass: nothing tells of it.
    func wait(_ longest: Duration) async throws { try await Task.sleep(for: instant(within: longest)) }
    switch phase {
    case .afterWrite: try burst()
    case .shortlyAfterWrite:
      try burst()
      try await wait(.milliseconds(40))
    case .tornWrite:
      try burst()
      try manifests.tear(manifests.all.randomElement(using: &random)!, &random)
    case .whileWriting:
      try await killLater(server.process, after: instant(within: .milliseconds(30))) {
        for _ in 0..<4 { try burst() }
      }
    case .starting:
      try burst()
      await server.process.kill()
      try await server.spawn()
      try await wait(startTime)
    case .startingWhileWriting:
      await server.process.kill()
      try await server.spawn()
      try await killLater(server.process, after: instant(within: startTime)) {
        for _ in 0..<8 {
          try burst()
          usleep(.random(in: 0...20_000, using: &random))
        }
      }
    }
    #expect(await server.process.kill() == .signal(9), "\(server.process.logTail())")
  }

  /// Kills a process at some instant while something else goes on.
  private func killLater(
    _ process: ChildProcess, after instant: Duration, _ work: () throws -> Void
  ) async throws {
    let killing = Task.detached {
      try await Task.sleep(for: instant)
      await process.kill()
    }
    try work()
    try await killing.value
  }

  @discardableResult
  private func check(
    _ server: ServerUnderTest, _ manifests: inout Manifests, _ when: String
  ) async throws -> Observation {
    let seen = try await server.resources(manifests.things)
    let complaints = manifests.complaints(seen)
    #expect(complaints.isEmpty, "\(when): \(server.process.logTail())")
    #expect(seen.hasRoutes, "\(when): the class of proxies is known")
    let reported = try await server.filesWithProblems()
    let unreported = manifests.broken.filter { !reported.contains($0.thing.file) }
    #expect(unreported.isEmpty, "\(when): nothing is said of them")
    manifests.accept(seen)
    return seen
  }

  /// No leftovers gather in the state directory, and its log does not grow without end.
  private func expectTidy(_ state: String) throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: state).sorted()
    let expected = ["admitted", "continuity", "releases"].flatMap { name in
      ["", "-shm", "-wal"].map { "\(name).sqlite\($0)" }
    }
    #expect(files == (expected + ["lock", "continuity.lock", "releases.lock", "releases.reserve"]).sorted())
    for file in files {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(state)/\(file)")
      #expect((attributes[.size] as? Int ?? .max) < 8 << 20, "\(file)")
    }
  }
}
