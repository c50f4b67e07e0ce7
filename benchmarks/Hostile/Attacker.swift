import EnvoyHarness
import Foundation
import Glibc

/// The hostile side, in a process of its own: one thread, all connections, and no more CPU than it is allowed.
struct Attacker {
  struct Plan: Codable {
    var server: String
    /// Empty: all kinds.
    var kinds: [String] = []
    var connections: Int
    var seconds: Double
    /// Cores.
    var budget: Double
    var seed: UInt64
  }

  struct Report: Codable {
    var tallies: [Tally]
    /// Seconds of CPU, and of the clock.
    var cpu: Double
    var elapsed: Double
    /// Most connections that were open at one time, and how many on average.
    var mostOpen: Int
    var averageOpen: Double
    /// Ticks that were slept through to stay within the budget.
    var throttled: Int
  }

  private static let tick: Int32 = 10

  /// Attackers sit elsewhere, with processors of their own. Here they take what the server and its bystander leave.
  private static func yieldProcessor() {
    var parameters = sched_param()
    // SCHED_IDLE, by its number: Swift's Glibc lacks the name.
    let idleClass: CInt = 5
    precondition(sched_setscheduler(0, idleClass, &parameters) == 0, "the attacker's priority cannot be lowered")
  }

  static func run(_ plan: Plan) throws -> Report {
    raiseDescriptorLimit()
    yieldProcessor()
    let attacks = Attack.all(seed: plan.seed).filter { plan.kinds.isEmpty || plan.kinds.contains($0.name) }
    guard !attacks.isEmpty else { throw HarnessError(.malformed, "no such kind of attack: \(plan.kinds)") }
    let scripts = attacks.map { $0.scripts() }
    let server = try address(plan.server)
    var tallies = attacks.map { Tally(name: $0.name) }
    let start = now()
    // They arrive within the first second.
    let connections = (0..<plan.connections).map { index in
      let kind = index % attacks.count
      tallies[kind].connections += 1
      return HostileConnection(
        attack: attacks[kind], scripts: scripts[kind], kind: kind, index: index,
        start: start + Milliseconds(index * 1_000 / plan.connections))
    }
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
    defer { scratch.deallocate() }
    let initialCPU = cpuSeconds()
    let end = start + Milliseconds(plan.seconds * 1_000)
    var polled = [pollfd](repeating: pollfd(fd: -1, events: 0, revents: 0), count: connections.count)
    var (mostOpen, openSum, ticks, throttled) = (0, 0, 0, 0)
    while true {
      let time = now()
      guard time < end else { break }
      let allowed = Double(time - start) / 1_000 * plan.budget + 0.05
      if cpuSeconds() - initialCPU > allowed {
        throttled += 1
        usleep(useconds_t(Self.tick) * 1_000)
        continue
      }
      var open = 0
      for (index, connection) in connections.enumerated() {
        connection.act(at: time, to: server, into: scratch, &tallies[connection.kind])
        if case .open = connection.state { open += 1 }
        polled[index] = pollfd(fd: connection.descriptor, events: connection.interest, revents: 0)
      }
      mostOpen = max(mostOpen, open)
      openSum += open
      ticks += 1
      let rest = Int32(max(0, Milliseconds(Self.tick) - (now() - time)))
      // Not woken by each byte: what came in a tick is looked at once.
      usleep(useconds_t(rest) * 1_000)
      guard poll(&polled, nfds_t(polled.count), 0) > 0 else { continue }
      for (index, entry) in polled.enumerated() where entry.revents != 0 {
        let connection = connections[index]
        connection.ready(entry.revents, into: scratch, &tallies[connection.kind])
      }
    }
    for connection in connections { connection.close(aborting: false) }
    return Report(
      tallies: tallies, cpu: cpuSeconds() - initialCPU, elapsed: Double(now() - start) / 1_000, mostOpen: mostOpen,
      averageOpen: Double(openSum) / Double(max(1, ticks)), throttled: throttled)
  }

  private static func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  private static func address(_ text: String) throws -> sockaddr_in {
    let parts = text.split(separator: ":")
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    guard parts.count == 2, let port = UInt16(parts[1]), inet_pton(AF_INET, String(parts[0]), &address.sin_addr) == 1
    else { throw HarnessError(.malformed, "\(text) is not an IPv4 address and a port") }
    address.sin_port = port.bigEndian
    return address
  }
}

/// As many descriptors as the system allows; children inherit it.
func raiseDescriptorLimit() {
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  limit.rlim_cur = limit.rlim_max
  setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
