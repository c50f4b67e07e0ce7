import Foundation
import ReleaseStoreConformance
import ReleaseStores

/// Commits to the release store of a directory, and says the number of each commit when it is durable, until it is killed.
@main struct ReleaseCommits {
  static func main() async throws {
    guard CommandLine.arguments.count == 2 else {
      FileHandle.standardError.write(Data("usage: ReleaseCommits DIRECTORY\n".utf8))
      exit(2)
    }
    var sequence = try await CommitSequence(on: try SQLiteReleaseStore(directory: CommandLine.arguments[1]))
    // Whoever was to kill it may be gone.
    for _ in 0..<100_000 {
      let number = try await sequence.next()
      FileHandle.standardOutput.write(Data("\(number)\n".utf8))
    }
  }
}
