import EnvoyHarness
import Foundation
import Testing

@Suite("Child processes")
struct ChildProcessTests {
  private var log: String { TemporaryDirectory.shared.path + "/child-\(UUID().uuidString).log" }

  @Test("Lines and the exit code arrive")
  func lines() async throws {
    let process = try await ChildProcess.spawn(
      "/bin/sh", ["-c", "echo one; echo two; exit 3"], logPath: log, readsLines: true)
    var lines: [String] = []
    for await line in process.lines { lines.append(line) }
    #expect(lines == ["one", "two"])
    #expect(await process.waitForExit() == .code(3))
    #expect(process.exit == .code(3))
    // An ended process cannot be hit, nor is it an error to try.
    process.send(signal: SIGKILL)
    #expect(await process.kill() == .code(3))
  }

  @Test("Terminate is gentle first and hard after its grace")
  func terminates() async throws {
    let gentle = try await ChildProcess.spawn(
      "/bin/sh", ["-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done"], logPath: log, readsLines: true)
    for await _ in gentle.lines { break }
    #expect(await gentle.terminate() == .code(0))

    let deaf = try await ChildProcess.spawn(
      "/bin/sh", ["-c", "trap '' TERM; echo up; while :; do sleep 0.02; done"], logPath: log, readsLines: true)
    for await _ in deaf.lines { break }
    #expect(await deaf.terminate(grace: .milliseconds(100)) == .signal(SIGKILL))
  }

  @Test("A child gets only its standard descriptors")
  func descriptors() async throws {
    let probe = "for f in $(seq 0 200); do [ -e /proc/$$/fd/$f ] && echo $f; done; exit 0"
    let open = try await ChildProcess.output(of: "/bin/sh", ["-c", probe])
    #expect(open == "0\n1\n2\n")
  }

  @Test("A missing program and a failing one are errors that say so")
  func failures() async throws {
    let missing = await #expect(throws: HarnessError.self) {
      try await ChildProcess.spawn("/no/such/program", logPath: "/dev/null")
    }
    #expect(missing?.code == .notFound)
    let failing = await #expect(throws: HarnessError.self) {
      try await ChildProcess.output(of: "/bin/sh", ["-c", "echo because >&2; exit 1"])
    }
    #expect(failing?.code == .exited)
    #expect(failing?.message.contains("because") == true)
  }

  @Test("A child does not outlive a parent that was killed")
  func diesWithParent() async throws {
    // A shell stands for the parent: what ties the child is its command line, which `spawn` builds in the same way.
    let parent = try await ChildProcess.spawn(
      "/bin/sh", ["-c", "/usr/bin/setpriv --pdeathsig KILL sleep 60 & echo $!; wait"], logPath: log, readsLines: true)
    var child: Int32 = 0
    for await line in parent.lines {
      child = Int32(line) ?? 0
      break
    }
    try #require(child > 0)
    // setpriv asks for the signal just before it becomes the program.
    try await poll("sleep running") {
      (try? String(contentsOfFile: "/proc/\(child)/comm", encoding: .utf8)) == "sleep\n"
    }
    await parent.kill()
    try await poll("the child gone") {
      let status = try? String(contentsOfFile: "/proc/\(child)/stat", encoding: .utf8)
      return status == nil || status?.contains(") Z ") == true
    }
  }
}
