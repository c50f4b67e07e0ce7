internal import Foundation
internal import Glibc
internal import NIOConcurrencyHelpers
internal import NIOPosix

/// A process that this one started, and that does not outlive it: when the parent dies, by whatever means, the kernel
/// kills the child (through `setpriv --pdeathsig`, part of Debian's util-linux).
///
/// The child gets no file descriptor but its standard ones. It is signalled by its own id only, and only while it has
/// not been reaped, so that a reused id is never hit.
public final class ChildProcess: Sendable {
  /// How a process ended.
  public enum Exit: Sendable, Hashable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    public var description: String {
      switch self {
      case .code(let code): "exit code \(code)"
      case .signal(let signal): "signal \(signal)"
      }
    }
  }

  private struct State {
    var exit: Exit?
    var waiters: [CheckedContinuation<Exit, Never>] = []
  }

  public let processID: Int32
  public let name: String
  /// Where standard error goes, and standard output unless it is read as `lines`.
  public let logPath: String
  /// The lines of standard output; empty unless asked for in `spawn`.
  public let lines: AsyncStream<String>
  private let state = NIOLockedValueBox(State())

  // PR_SET_PDEATHSIG fires when the *thread* that created the child ends, so children are created on one that never does.
  private static let spawner: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: 1)
    pool.start()
    return pool
  }()

  // Since glibc 2.34, but hidden from Swift's view of <spawn.h>, hence by its name. Without it the child would inherit
  // whatever another library opened without close-on-exec.
  private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32
  private static let closeFrom: CloseFrom? = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np")
    .map { unsafeBitCast($0, to: CloseFrom.self) }

  /// Starts `executable`. Its standard input is `/dev/null`; what it writes is appended to the file at `logPath`, save
  /// for its standard output when `readsLines`.
  ///
  /// - Throws: ``HarnessError`` `notFound` if there is no such executable, `spawn` if the system refuses.
  public static func spawn(
    _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:], logPath: String,
    readsLines: Bool = false
  ) async throws -> ChildProcess {
    guard access(executable, X_OK) == 0 else {
      throw HarnessError(.notFound, "there is no executable at \(executable)")
    }
    return try await spawner.runIfActive {
      try ChildProcess(executable, arguments, environment: environment, logPath: logPath, readsLines: readsLines)
    }
  }

  private init(
    _ executable: String, _ arguments: [String], environment: [String: String], logPath: String, readsLines: Bool
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    var pipe: [Int32] = [-1, -1]
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, logPath, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    if readsLines {
      guard Glibc.pipe(&pipe) == 0 else { throw HarnessError(.spawn, "pipe failed, errno \(errno)") }
      for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      posix_spawn_file_actions_adddup2(&actions, pipe[1], 1)
    } else {
      posix_spawn_file_actions_adddup2(&actions, 2, 1)
    }
    _ = Self.closeFrom?(&actions, 3)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Whatever the parent ignores or blocks, the child starts with the usual: a tour that ignores SIGINT, say, must
    // not teach its Envoy to. Its own process group keeps a Ctrl-C at the terminal from it: the parent decides.
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))

    let setpriv = "/usr/bin/setpriv"
    let isTied = access(setpriv, X_OK) == 0
    let command = (isTied ? [setpriv, "--pdeathsig", "KILL", executable] : [executable]) + arguments
    let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    var argv: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
    defer {
      for pointer in argv + envp { free(pointer) }
    }

    var pid: pid_t = 0
    let failure = posix_spawn(&pid, command[0], &actions, &attributes, &argv, &envp)
    if readsLines { close(pipe[1]) }
    guard failure == 0 else {
      if readsLines { close(pipe[0]) }
      throw HarnessError(.spawn, "\(executable) could not be started: \(String(cString: strerror(failure)))")
    }

    self.processID = pid
    self.name = (executable as NSString).lastPathComponent
    self.logPath = logPath
    let (lines, continuation) = AsyncStream.makeStream(of: String.self)
    self.lines = lines
    if readsLines {
      let descriptor = pipe[0]
      Thread.detachNewThread {
        Self.readLines(descriptor, into: continuation)
      }
    } else {
      continuation.finish()
    }
    Thread.detachNewThread { self.reap() }
  }

  private static func readLines(_ descriptor: Int32, into continuation: AsyncStream<String>.Continuation) {
    guard let file = fdopen(descriptor, "r") else { return continuation.finish() }
    var buffer: UnsafeMutablePointer<CChar>?
    var capacity = 0
    while getline(&buffer, &capacity, file) > 0 {
      guard let buffer else { break }
      let line = String(cString: buffer)
      continuation.yield(line.hasSuffix("\n") ? String(line.dropLast()) : line)
    }
    free(buffer)
    fclose(file)
    continuation.finish()
  }

  /// Waits for the end without reaping, then reaps under the lock that `send` takes.
  private func reap() {
    var info = siginfo_t()
    while waitid(P_PID, id_t(processID), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    let (exit, waiters) = state.withLockedValue { state -> (Exit, [CheckedContinuation<Exit, Never>]) in
      var status: Int32 = 0
      while waitpid(processID, &status, 0) < 0, errno == EINTR {}
      let signal = status & 0x7f
      let exit: Exit = signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal)
      state.exit = exit
      defer { state.waiters = [] }
      return (exit, state.waiters)
    }
    for waiter in waiters { waiter.resume(returning: exit) }
  }

  /// How it ended, or nil while it runs.
  public var exit: Exit? { state.withLockedValue { $0.exit } }

  public var isRunning: Bool { exit == nil }

  /// Returns once the process has ended, however long that takes.
  @discardableResult
  public func waitForExit() async -> Exit {
    await withCheckedContinuation { continuation in
      let exit = state.withLockedValue { state -> Exit? in
        if state.exit == nil { state.waiters.append(continuation) }
        return state.exit
      }
      if let exit { continuation.resume(returning: exit) }
    }
  }

  /// Sends a signal, unless the process has ended.
  public func send(signal: Int32) {
    state.withLockedValue { state in
      if state.exit == nil { _ = Glibc.kill(processID, signal) }
    }
  }

  /// SIGTERM, and SIGKILL if that has not ended it within `grace`.
  @discardableResult
  public func terminate(grace: Duration = .seconds(5)) async -> Exit {
    send(signal: SIGTERM)
    let hardEnd = Task {
      try await Task.sleep(for: grace)
      self.send(signal: SIGKILL)
    }
    defer { hardEnd.cancel() }
    return await waitForExit()
  }

  /// SIGKILL.
  @discardableResult
  public func kill() async -> Exit {
    send(signal: SIGKILL)
    return await waitForExit()
  }

  /// The last lines that it wrote into its log, for messages.
  public func logTail(lines count: Int = 15) -> String {
    guard let data = FileManager.default.contents(atPath: logPath) else { return "" }
    let text = String(decoding: data.suffix(16_384), as: UTF8.self)
    return text.split(separator: "\n").suffix(count).joined(separator: "\n")
  }

  /// Runs a command to its end and gives what it wrote to standard output.
  ///
  /// - Throws: ``HarnessError`` `exited` if its exit code is not among `accepting`.
  public static func output(
    of executable: String, _ arguments: [String], accepting codes: Set<Int32> = [0]
  ) async throws -> String {
    let log = TemporaryDirectory.shared.path + "/command-\(UUID().uuidString).log"
    let process = try await spawn(executable, arguments, logPath: log, readsLines: true)
    var output = ""
    for await line in process.lines { output += line + "\n" }
    let exit = await process.waitForExit()
    defer { try? FileManager.default.removeItem(atPath: log) }
    guard case .code(let code) = exit, codes.contains(code) else {
      throw HarnessError(
        .exited,
        "\(executable) \(arguments.joined(separator: " ")) ended with \(exit):\n\(process.logTail())\n\(output)")
    }
    return output
  }
}
