import EnvoyHarness
import Foundation
import NIOCore

/// Quiet and hostile windows in turn, and the verdict.
struct Pairs {
  let scene: Scene
  let options: Options

  private struct Hostile {
    var quiet: Updates
    var noisy: Updates
    var report: Attacker.Report
    var serverCPU: Double
    var settled: Duration?
    /// From an address of their own, and from one of the attackers'.
    var newcomers: Newcomers
    var neighbours: Newcomers
    var ratio: Double { noisy.latencies.percentile(0.99) / quiet.latencies.percentile(0.99) }
  }

  func run() async throws -> Bool {
    _ = try await scene.updates(for: min(5, options.window))
    let sockets = scene.probe.sockets
    let memoryCold = scene.probe.memory
    // The first connections of a process make what the process then keeps: the pages of the program that they run through
    // (most of it: files that are mapped, which the kernel drops as it likes), thread caches, pools, tables. So everything
    // happens once, shortly, before memory is looked at.
    let first = try await scene.attack(
      kinds: options.kinds, connections: min(1_000, options.connections), seconds: min(3, options.window))
    _ = try await first.finish()
    _ = await scene.settle(to: sockets)
    // Longer than it takes the server to trim its heap and to forget the kinds of proxies that have gone.
    if options.judgesTime { try await Task.sleep(for: .seconds(70)) }
    let memoryBefore = scene.probe.memory
    let metrics = try await scene.weir.metrics()
    let log = scene.probe.log

    var pairs: [Hostile] = []
    var memoryPeak = 0
    for pair in 1...options.pairs {
      let quiet = try await scene.updates(for: options.window)
      let cpu = scene.probe.cpu
      let attack = try await scene.attack(
        kinds: options.kinds, connections: options.connections, seconds: options.window)
      let probe = scene.probe
      let watch = Task {
        var peak = 0
        while !Task.isCancelled {
          peak = max(peak, probe.residentMemory)
          try? await Task.sleep(for: .milliseconds(200))
        }
        return peak
      }
      let (server, window) = (scene.weir.addresses.xds, Duration.seconds(options.window))
      async let newcomers = Newcomers.come(to: server, from: nil, for: window)
      async let neighbours = Newcomers.come(to: server, from: Bystander.attackersAddress, for: window)
      let noisy = try await scene.updates(for: options.window)
      let came = await (newcomers, neighbours)
      let report = try await attack.finish()
      let used = scene.probe.cpu - cpu
      watch.cancel()
      memoryPeak = max(memoryPeak, await watch.value)
      let settled = await scene.settle(to: sockets)
      let result = Hostile(
        quiet: quiet, noisy: noisy, report: report, serverCPU: used, settled: settled, newcomers: came.0,
        neighbours: came.1)
      pairs.append(result)
      say(text(pair, result))
      guard await scene.isAlive else { throw HarnessError(.exited, "the server has died") }
    }
    say(kinds(pairs.map(\.report)))
    say("counters of the server that grew:")
    let after = try await scene.weir.metrics()
    for (name, growth) in after.growth(since: metrics) { say("  \(name) +\(Int(growth))") }

    let memoryAtOnce = scene.probe.memory
    let returned = await memoryReturns(to: memoryBefore)
    let memoryAfter = scene.probe.memory
    func described(_ memory: ServerProbe.Memory) -> String {
      "\(megabytes(memory.resident)) (\(megabytes(memory.anonymous)) of its own)"
    }
    say(
      "memory of the server, MB: \(described(memoryCold)) before anybody came, \(described(memoryBefore)) before the windows, "
        + "\(megabytes(memoryPeak)) at most, \(described(memoryAtOnce)) when the last had gone, \(described(memoryAfter)) "
        + "\(returned.map { "after \(decimals($0 / .seconds(1), 1)) s" } ?? "\(Int(Self.patience / .seconds(1))) s later")"
    )
    let hostile = pairs.reduce(0) { $0 + $1.report.tallies.reduce(0) { $0 + $1.opened } }
    let lines = scene.probe.log.lines - log.lines
    let kilobytes = (scene.probe.log.bytes - log.bytes) / 1_024
    var verdict = Verdict()
    let ratios = pairs.map(\.ratio).sorted()
    verdict.judge(
      "bystander's p99 with hostile connections over p99 without, median of \(pairs.count) pairs", "≤ 2",
      decimals(ratios[ratios.count / 2]), !options.judgesTime || ratios[ratios.count / 2] <= 2)
    verdict.judge(
      "memory afterwards over memory before", "≤ 1.1",
      decimals(Double(memoryAfter.resident) / Double(memoryBefore.resident)), !options.judgesTime || returned != nil)
    verdict.judge(
      "the same over memory cold, before anybody came", "≤ \(decimals(Self.coldMargin, 1))",
      decimals(Double(memoryAfter.resident) / Double(memoryCold.resident)),
      !options.judgesTime || Double(memoryAfter.resident) <= Double(memoryCold.resident) * Self.coldMargin)
    let newcomers = pairs.map(\.newcomers).reduce(Newcomers(), +)
    verdict.judge(
      "ms until a proxy that connects during the attack has its configuration, at worst",
      "≤ \(Int(Self.newcomersTime))", decimals(newcomers.times.percentile(1), 0),
      newcomers.failures.isEmpty && (!options.judgesTime || newcomers.times.percentile(1) <= Self.newcomersTime))
    let reordered = scene.bystander.reordered
    let updates = pairs.reduce(0) { $0 + $1.quiet.latencies.count + $1.noisy.latencies.count }
    verdict.judge("updates lost or out of order, of \(updates)", "0", "\(reordered.count)", reordered.isEmpty)
    verdict.judge(
      "connections that stay open", "0", "\(max(0, scene.probe.sockets - sockets))",
      pairs.allSatisfy { $0.settled != nil })
    let tolerated = tolerated(pairs.map(\.report))
    verdict.judge(
      "kinds that break HTTP/2 and were never thrown out", "none",
      tolerated.isEmpty ? "none" : tolerated.joined(separator: ", "), tolerated.isEmpty)
    verdict.judge(
      "log lines for \(hostile) hostile connections (\(kilobytes) kB)", "≤ 1 in 10", "\(lines)", lines * 10 <= hostile)
    say(verdict.text)
    return verdict.isMet
  }

  /// Longer than the server remembers the kinds of proxies that have gone, which is a minute.
  private static let patience = Duration.seconds(75)

  /// What the program may keep of what it has touched for the first time.
  private static let coldMargin = 2.0
  /// Milliseconds: a newcomer has to be accepted, and its first requests share a turn with those of others.
  private static let newcomersTime = 1_000.0

  /// Nil if it is not back within 10 % in time.
  private func memoryReturns(to before: ServerProbe.Memory) async -> Duration? {
    let start = ContinuousClock.now
    do {
      try await poll("memory returns", within: Self.patience, every: .milliseconds(250)) {
        Double(scene.probe.residentMemory) <= Double(before.resident) * 1.1
      }
      return ContinuousClock.now - start
    } catch {
      return nil
    }
  }

  private func text(_ pair: Int, _ result: Hostile) -> String {
    func line(_ samples: [TimeAmount]) -> String {
      "median \(decimals(samples.percentile(0.5))), p90 \(decimals(samples.percentile(0.9))), "
        + "p99 \(decimals(samples.percentile(0.99))), max \(decimals(samples.percentile(1))) ms of \(samples.count)"
    }
    let report = result.report
    return """
      pair \(pair): file to client
        quiet    \(line(result.quiet.latencies))
        hostile  \(line(result.noisy.latencies)); p99 ratio \(decimals(result.ratio))
        its tenths, the second slowest of each: \(result.noisy.course.map { decimals(Double($0.nanoseconds) / 1e6, 1) }.joined(separator: " ")) ms
        proxies that connect meanwhile, until all is there: \(result.newcomers.text)
        the same from an attacker's address: \(result.neighbours.text)
        \(Int(report.averageOpen)) connections open on average, \(report.mostOpen) at most; CPU: attacker \
      \(decimals(report.cpu / report.elapsed)) cores (throttled \(report.throttled) times), server \
      \(decimals(result.serverCPU / report.elapsed)) cores; gone after \
      \(result.settled.map { decimals($0 / .seconds(1), 1) + " s" } ?? "never")
      """
  }

  private func tolerated(_ reports: [Attacker.Report]) -> [String] {
    let toGo = Set(Attack.all(seed: options.seed).filter(\.isToBeThrownOut).map(\.name))
    let gone = Set(reports.flatMap { $0.tallies.filter { $0.thrownOut > 0 }.map(\.name) })
    let tried = Set(reports.flatMap { $0.tallies.filter { $0.opened > 0 }.map(\.name) })
    return toGo.intersection(tried).subtracting(gone).sorted()
  }

  private func kinds(_ reports: [Attacker.Report]) -> String {
    var text =
      "| kind | connections | connects | thrown out | left | sent MB | received MB |\n|---|---|---|---|---|---|---|"
    for (index, tally) in (reports.first?.tallies ?? []).enumerated() {
      func sum(_ value: (Tally) -> Int) -> Int { reports.reduce(0) { $0 + value($1.tallies[index]) } }
      text += "\n| \(tally.name) | \(tally.connections) | \(sum(\.connects)) | \(sum(\.thrownOut)) | \(sum(\.left)) | "
      text += "\(megabytes(sum(\.sent))) | \(megabytes(sum(\.received))) |"
    }
    return text
  }
}

/// The table at the end.
struct Verdict {
  private var rows = ["| what | target | measured | |", "|---|---|---|---|"]
  private(set) var isMet = true

  mutating func judge(_ what: String, _ target: String, _ measured: String, _ isMet: Bool) {
    rows.append("| \(what) | \(target) | \(measured) | \(isMet ? "met" : "missed") |")
    self.isMet = self.isMet && isMet
  }

  var text: String { rows.joined(separator: "\n") }
}
