import Foundation

/// Runs a program to its end and returns what it printed, without blocking the caller's thread.
func run(_ program: String, _ arguments: [String]) async throws -> (status: Int32, output: String) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  process.standardError = pipe
  return try await withCheckedThrowingContinuation { done in
    process.terminationHandler = { ended in
      let output = (try? pipe.fileHandleForReading.readToEnd()) ?? nil
      done.resume(returning: (ended.terminationStatus, String(decoding: output ?? Data(), as: UTF8.self)))
    }
    do {
      try process.run()
    } catch {
      done.resume(throwing: error)
    }
  }
}
