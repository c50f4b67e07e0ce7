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

  private let process = Process()
  private let progress: ProgressFile
  private let patience: Double
  private var last: (seed: UInt64, since: Date)

  init(_ arguments: [String], title: String, patience: Double) throws {
    let path = NSTemporaryDirectory() + "weir-fuzz-\(ProcessInfo.processInfo.processIdentifier)-\(UUID().uuidString)"
    progress = try ProgressFile(path)
    self.patience = patience
    last = (0, Date())
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    environment[ProgressFile.variable] = path
    process.environment = environment
    try process.run()
  }

  deinit { progress.remove() }

  /// The seed of the input that the worker runs, or died of.
  var currentSeed: UInt64 { progress.seed }

  /// How it ended, or nil while it runs. One that has not moved on for too long is killed.
  func poll() -> End? {
    guard process.isRunning else { return end }
    let seed = progress.seed
    if seed != last.seed { last = (seed, Date()) }
    guard Date().timeIntervalSince(last.since) > patience else { return nil }
    stop()
    return .stuck
  }

  func wait() -> End {
    process.waitUntilExit()
    return end
  }

  private var end: End {
    switch process.terminationReason {
    case .uncaughtSignal: .crashed(process.terminationStatus)
    default: process.terminationStatus == 0 ? .finished : .failed(process.terminationStatus)
    }
  }

  func stop() {
    guard process.isRunning else { return }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
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
