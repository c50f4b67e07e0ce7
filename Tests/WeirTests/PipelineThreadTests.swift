import Foundation
import Testing

@testable import Weir

@Suite(.timeLimit(.minutes(1))) struct PipelineThreadTests {
  private actor Ledger {
    private let thread = PipelineThread()
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
    private(set) var numbers: [Int] = []
    private(set) var threads: Set<String> = []

    func add(_ number: Int) {
      numbers.append(number)
      threads.insert(PipelineThreadTests.currentThread())
    }

    /// Others come between, and it comes back.
    func addTwice(_ number: Int) async {
      add(number)
      await Task.yield()
      add(number)
    }
  }

  /// As in `1234/task/1240`.
  fileprivate static func currentThread() -> String {
    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self")) ?? ""
  }

  @Test func everythingRunsOnOneThreadOfItsOwn() async throws {
    let ledger = Ledger()
    await withTaskGroup { tasks in
      for number in 0..<200 { tasks.addTask { await ledger.addTwice(number) } }
    }
    #expect(await ledger.numbers.sorted() == (0..<400).map { $0 / 2 })
    let threads = await ledger.threads
    #expect(threads.count == 1)
    let name = try String(contentsOfFile: "/proc/\(try #require(threads.first))/comm", encoding: .utf8)
    #expect(name == "weir-pipeline\n")
  }

  @Test func whatOneTaskAsksForRunsInItsOrder() async {
    let ledger = Ledger()
    for number in 0..<1000 { await ledger.add(number) }
    #expect(await ledger.numbers == Array(0..<1000))
  }

  @Test func theThreadEndsWithItsActor() async throws {
    var thread = ""
    do {
      let ledger = Ledger()
      await ledger.add(1)
      thread = try #require(await ledger.threads.first)
      #expect(FileManager.default.fileExists(atPath: "/proc/\(thread)"))
    }
    // Nobody tells when a thread has ended.
    while FileManager.default.fileExists(atPath: "/proc/\(thread)") { try await Task.sleep(for: .milliseconds(1)) }
  }
}
