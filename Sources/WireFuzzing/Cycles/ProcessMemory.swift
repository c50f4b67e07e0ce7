internal import Foundation

/// What proc(5) says of a process's memory.
enum ProcessMemory {
  /// - Parameters:
  ///   - field: of `status`: `VmRSS`, `RssAnon`.
  ///   - process: a process id, or `self`.
  /// - Returns: bytes; nil if there is no such process.
  static func bytes(_ field: String, of process: String) -> Int? {
    let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("\(field):") }
    return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }.map {
      $0 * 1024
    }
  }
}
