import Foundation

/// This program once more, as a process of its own: a crash there is a result here.
final class Worker {
  enum End: CustomStringConvertible {
    case finished
    case failed(Int32)
    case crashed(Int32)
    /// One input took too long.
    case stuck

    var description: String {
      switch self {
      case .finished: "finished"
      case .failed(let status): "status \(status)"
      case .crashed(let signal): "signal \(signal)"
      case .stuck: "stuck"
      }
    }
  }

  /// Not Foundation's `Process`, which loses some memory each time: the sanitizer would find that at the end.
  private let process: pid_t
  private var ended: End?
  private let progress: ProgressFile
  private let patience: Double
  private var last: (seed: UInt64, since: Date)

  init(_ arguments: [String], title: String, patience: Double) throws {
    let path = NSTemporaryDirectory() + "weir-fuzz-\(ProcessInfo.processInfo.processIdentifier)-\(UUID().uuidString)"
    progress = try ProgressFile(path)
    self.patience = patience
    last = (0, Date())
    var environment = ProcessInfo.processInfo.environment
    environment[ProgressFile.variable] = path
    process = try Self.spawn(arguments, environment)
  }

  private static func spawn(_ arguments: [String], _ environment: [String: String]) throws -> pid_t {
    let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path
    let words = ([program] + arguments).map { strdup($0) }
    let variables = environment.map { strdup($0.key + "=" + $0.value) }
    defer { for string in words + variables { free(string) } }
    var child: pid_t = 0
    let failure = posix_spawn(&child, program, nil, nil, words + [nil], variables + [nil])
    guard failure == 0 else { throw POSIXError(POSIXErrorCode(rawValue: failure) ?? .EAGAIN) }
    return child
  }

  deinit { progress.remove() }

  /// The seed of the input that the worker runs, or died of.
  var currentSeed: UInt64 { progress.seed }

  /// How it ended, or nil while it runs. One that has not moved on for too long is killed.
  func poll() -> End? {
    if let end = waited(WNOHANG) { return end }
    let seed = progress.seed
    if seed != last.seed { last = (seed, Date()) }
    guard Date().timeIntervalSince(last.since) > patience else { return nil }
    stop()
    return .stuck
  }

  func wait() -> End { waited(0) ?? .failed(-1) }

  /// How it ended. With `WNOHANG`, nil while it runs.
  private func waited(_ options: CInt) -> End? {
    if let ended { return ended }
    var status: CInt = 0
    var result: pid_t
    repeat { result = waitpid(process, &status, options) } while result < 0 && errno == EINTR
    guard result == process else { return nil }
    // waitpid(2): the low seven bits are the signal, the next byte is what it exited with.
    let signal = status & 0x7f
    let code = status >> 8 & 0xff
    ended = signal != 0 ? .crashed(signal) : code == 0 ? .finished : .failed(code)
    return ended
  }

  func stop() {
    guard ended == nil else { return }
    kill(process, SIGKILL)
    _ = waited(0)
  }
}

/// Eight bytes of memory that two processes share through a file: what one wrote last is there when it has died.
final class ProgressFile {
  static let variable = "WEIR_FUZZ_PROGRESS"

  private let path: String
  private let memory: UnsafeMutablePointer<UInt64>

  init(_ path: String) throws {
    self.path = path
    let descriptor = open(path, O_RDWR | O_CREAT, 0o600)
    defer { close(descriptor) }
    guard descriptor >= 0, ftruncate(descriptor, 8) == 0,
      let address = mmap(nil, 8, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), address != MAP_FAILED
    else { throw CocoaError(.fileWriteUnknown) }
    memory = address.bindMemory(to: UInt64.self, capacity: 1)
  }

  deinit { munmap(memory, 8) }

  var seed: UInt64 {
    get { memory.pointee }
    set { memory.pointee = newValue }
  }

  func remove() { unlink(path) }
}
