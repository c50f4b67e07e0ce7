internal import Foundation
internal import Glibc

/// A directory under the system's temporary one. It stays if `WEIR_KEEP` is set in the environment, for a look at the
/// logs; else `remove()` or the end of the process (for `shared`) takes it away.
public struct TemporaryDirectory: Sendable {
  public let path: String

  /// One for the whole process: logs and sockets go there. Removed at exit.
  public static let shared: TemporaryDirectory = {
    let directory = TemporaryDirectory(prefix: "weir-harness")
    atexit { TemporaryDirectory.shared.remove() }
    return directory
  }()

  /// - Parameter inMemory: where the system has a file system in memory, there: what is measured is then not the disk.
  public init(prefix: String, inMemory: Bool = false) {
    let memory = "/dev/shm"
    let base =
      inMemory && access(memory, W_OK) == 0 ? memory : ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    path = "\(base)/\(prefix)-\(getpid())-\(UUID().uuidString.prefix(8))"
    // A directory that cannot be made shows at the first file written into it, with its name.
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  public func remove() {
    guard ProcessInfo.processInfo.environment["WEIR_KEEP"] == nil else { return }
    try? FileManager.default.removeItem(atPath: path)
  }
}
