import Foundation
import Testing

@testable import Weir

@Suite(.timeLimit(.minutes(1))) struct PipelineThreadTests {
  private actor Ledger {
    let thread = PipelineThread()
    nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }
    private(set) var numbers: [Int] = []
    private(set) var threads: Set<String> = []

    func add(_ number: Int) {
      numbers.append(number)
      threads.insert(PipelineThreadTests.currentThread())
    }

    /// Has the actor until there is news, and then a little longer.
    func linger(_ news: AsyncStream<Void>) {
      Task {
        for await _ in news {}
        add(0)
      }
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

  /// A task that has it waits and wakes there, in turns with the actor.
  @Test func aTaskMayHaveItToo() async throws {
    let ledger = Ledger()
    let (news, tell) = AsyncStream.makeStream(of: Int.self)
    let running = Task(executorPreference: ledger.thread) {
      var threads: Set<String> = []
      for await number in news {
        threads.insert(Self.currentThread())
        await ledger.add(number)
        threads.insert(Self.currentThread())
      }
      return threads
    }
    for number in 0..<100 {
      tell.yield(number)
      if number % 10 == 0 { await Task.yield() }
    }
    tell.finish()
    let threads = await running.value
    #expect(await ledger.numbers == Array(0..<100))
    let ledgerThreads = await ledger.threads
    #expect(threads == ledgerThreads && threads.count == 1)
  }

  /// Also where the last that has the actor runs on the thread itself.
  @Test(arguments: [false, true]) func theThreadEndsWithItsActor(_ isLastThere: Bool) async throws {
    var thread = ""
    let (news, tell) = AsyncStream.makeStream(of: Void.self)
    do {
      let ledger = Ledger()
      await ledger.add(1)
      if isLastThere { await ledger.linger(news) }
      thread = try #require(await ledger.threads.first)
    }
    #expect(!isLastThere || FileManager.default.fileExists(atPath: "/proc/\(thread)"))
    tell.finish()
    // Nobody tells when a thread has ended.
    while FileManager.default.fileExists(atPath: "/proc/\(thread)") { try await Task.sleep(for: .milliseconds(1)) }
  }
}
