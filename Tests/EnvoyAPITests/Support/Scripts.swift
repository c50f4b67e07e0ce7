import Foundation

/// Runs the scripts of this package in the Python that `make test` installs.
enum Scripts {
  static let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  struct Outcome {
    var status: Int32
    /// Standard output and error together.
    var output: String
  }

  /// - Throws: `Failure` if `.venv` is missing: these tests hold Weir against the real descriptors, and skipping them in
  ///   silence would let a wrong number land.
  static func python(_ script: String, _ arguments: [String] = [], input: String = "") throws -> Outcome {
    let python = packageRoot.appendingPathComponent(".venv/bin/python")
    guard FileManager.default.isExecutableFile(atPath: python.path) else {
      throw Failure(description: "\(python.path) is missing: `make test` installs it, with xds-protos and protobuf")
    }
    return try run(python, [packageRoot.appendingPathComponent(script).path] + arguments, input: input)
  }

  static func run(_ executable: URL, _ arguments: [String], input: String = "") throws -> Outcome {
    // The input goes through a file: a pipe that nobody empties would block a long one.
    let inputFile = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)")
    try Data(input.utf8).write(to: inputFile)
    defer { try? FileManager.default.removeItem(at: inputFile) }
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.standardInput = try FileHandle(forReadingFrom: inputFile)
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(status: process.terminationStatus, output: String(decoding: bytes, as: UTF8.self))
  }

  /// Runs `body` with an empty folder that is gone afterwards.
  static func withTemporaryFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder)
  }
}
