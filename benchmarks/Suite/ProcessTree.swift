import Foundation

/// Processes with all their children, the ended ones included: what they use (proc(5)).
struct ProcessTree: Sendable {
  let roots: [Int32]

  struct Usage: Sendable {
    /// User and system time, seconds; of children also after their end, if their parent has waited for them.
    var cpu = 0.0
    /// Proportional set size, bytes: what processes share counts once.
    var memory = 0
  }

  /// A process that has just ended counts nothing.
  func usage() -> Usage {
    var usage = Usage()
    for process in roots.flatMap(withDescendants) {
      if let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
        let end = stat.lastIndex(of: ")")
      {
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        // utime, stime, cutime, cstime: fields 14 to 17, the first here being the third.
        let ticks = fields.count > 14 ? fields[11...14].compactMap { Double($0) }.reduce(0, +) : 0
        usage.cpu += ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
      }
      if let rollup = try? String(contentsOfFile: "/proc/\(process)/smaps_rollup", encoding: .utf8),
        let line = rollup.split(separator: "\n").first(where: { $0.hasPrefix("Pss:") })
      {
        usage.memory += 1024 * (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
      }
    }
    return usage
  }

  private func withDescendants(_ process: Int32) -> [Int32] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
    let children = tasks.flatMap { task in
      ((try? String(contentsOfFile: "/proc/\(process)/task/\(task)/children", encoding: .utf8)) ?? "")
        .split(separator: " ").compactMap { Int32($0) }
    }
    return [process] + children.flatMap(withDescendants)
  }

  /// Looks every so often until cancelled, and keeps the largest memory seen.
  func watchMemory(every interval: Duration, into peak: PeakMemory) async {
    while !Task.isCancelled {
      await peak.see(usage().memory)
      try? await Task.sleep(for: interval)
    }
  }
}

/// The largest memory seen.
actor PeakMemory {
  private(set) var bytes = 0
  func see(_ bytes: Int) { self.bytes = max(self.bytes, bytes) }
}
