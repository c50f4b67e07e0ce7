import Foundation
import Testing

/// A state directory that goes with its last reference.
final class StoreDirectory: Sendable {
  private let parent: String
  var path: String { parent + "/state" }
  var file: String { path + "/releases.sqlite" }

  init() { parent = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path }

  deinit { try? FileManager.default.removeItem(atPath: parent) }

  /// Whether this process may mount file systems.
  static let canMount: Bool = {
    let directory = StoreDirectory()
    try? FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    let mount = Process()
    mount.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    mount.arguments = [
      "sh", "-c", "mount -t tmpfs -o size=64k weir-test \"$1\" && umount \"$1\"", "sh", directory.path,
    ]
    mount.standardError = FileHandle.nullDevice
    try? mount.run()
    mount.waitUntilExit()
    return mount.terminationStatus == 0
  }()

  /// What a killed process leaves behind: the files as they are, and no lock.
  func copy() throws -> StoreDirectory {
    let copy = StoreDirectory()
    try FileManager.default.createDirectory(atPath: copy.path, withIntermediateDirectories: true)
    for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: file + suffix) {
      try FileManager.default.copyItem(atPath: file + suffix, toPath: copy.file + suffix)
    }
    return copy
  }

  /// Runs statements on the file, as somebody with a shell could.
  func execute(_ statements: String) throws {
    try run(
      "python3", "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])", file,
      statements)
  }
}

/// - Returns: what it printed.
@discardableResult
func run(_ arguments: String..., input: [UInt8] = []) throws -> String {
  let process = Process()
  let (standardInput, output) = (Pipe(), Pipe())
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = arguments
  process.standardInput = standardInput
  process.standardOutput = output
  try process.run()
  // Small enough for the pipe: it is written before anything is read.
  try standardInput.fileHandleForWriting.write(contentsOf: Data(input))
  try standardInput.fileHandleForWriting.close()
  let text = try output.fileHandleForReading.readToEnd().map { String(decoding: $0, as: UTF8.self) } ?? ""
  process.waitUntilExit()
  #expect(process.terminationStatus == 0, "\(arguments.first ?? ""): \(text)")
  return text
}
