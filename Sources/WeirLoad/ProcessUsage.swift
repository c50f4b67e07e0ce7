import Foundation

/// What a process has used so far (proc(5)).
struct ProcessUsage: Sendable {
  /// User and system time, seconds.
  var cpu: Double
  /// Resident memory, bytes.
  var resident: Int

  /// - Throws: if there is no such process.
  init(processID: Int32) throws {
    let stat = try String(contentsOfFile: "/proc/\(processID)/stat", encoding: .utf8)
    // The second field, the command's name, is in parentheses and may hold spaces.
    guard let end = stat.lastIndex(of: ")") else {
      throw LoadFailure(description: "/proc/\(processID)/stat is odd")
    }
    let fields = stat[stat.index(after: end)...].split(separator: " ")
    guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]), let pages = Int(fields[21])
    else { throw LoadFailure(description: "/proc/\(processID)/stat is odd") }
    cpu = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    resident = pages * sysconf(Int32(_SC_PAGESIZE))
  }

  static func ofThisProcess() throws -> ProcessUsage { try ProcessUsage(processID: getpid()) }
}
