import ArgumentParser
import Foundation
import ReleaseControl
import UnixSignals
import Weir

/// `weir release watch`.
struct WatchCommand: ReleaseAsking {
  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Show a release live: weights, steps, on how many proxies it is live, what was done.",
    discussion: """
      On a terminal it is one picture, drawn anew as things change; anywhere else, a line for each change (with --json, of \
      JSON). It goes on when the server is restarted, and ends with Ctrl-C.
      """)

  @OptionGroup
  var name: ReleaseName

  @OptionGroup
  var proxies: ScopeOptions

  @OptionGroup
  var server: ServerOptions

  func run(on console: ReleaseConsole) async throws {
    let release = try await name.find(by: console.backend)
    // Trapped before anything is drawn, so that no signal leaves the terminal as it is drawn on.
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup, .sigwinch)
    let watch = ReleaseWatch(backend: console.backend, id: release.id, scope: proxies.scope)
    let terminal = console.json ? nil : Terminal.standardOutput()
    let (inputs, input) = AsyncThrowingStream.makeStream(of: WatchSession.Input.self, throwing: (any Error).self)
    let tasks = [
      Task {
        for await signal in signals { input.yield(signal == .sigwinch ? .resized(Terminal.size()) : .end) }
      },
      Task {
        do {
          for try await event in watch.events() { input.yield(.event(event)) }
        } catch {
          input.finish(throwing: error)
        }
      },
      Task {
        // For what is counted in seconds on the picture.
        while terminal != nil, (try? await Task.sleep(for: .seconds(1))) != nil { input.yield(.tick) }
      },
    ]
    defer { for task in tasks { task.cancel() } }
    let session = WatchSession(
      server: "http://\(server.server)", json: console.json, terminal: terminal, size: Terminal.size(),
      write: console.write, now: { Date() })
    try await session.run(inputs)
  }
}

/// Shows what comes in until it is told to end, and leaves the terminal as it was.
struct WatchSession {
  enum Input: Sendable {
    case event(WatchEvent)
    case resized(Terminal.Size)
    case tick
    case end
  }

  var server: String
  var json = false
  /// Nil for lines.
  var terminal: Terminal?
  var size: Terminal.Size
  var write: @Sendable (String) -> Void
  var now: () -> Date

  func run<Inputs: AsyncSequence>(_ inputs: Inputs) async throws where Inputs.Element == Input {
    var model = WatchModel()
    guard let terminal else {
      for try await input in inputs {
        if case .end = input { return }
        guard case .event(let event) = input else { continue }
        let lines = model.take(event, at: now())
        if !json {
          for line in lines { write(line + "\n") }
        } else if !lines.isEmpty, let status = model.status {
          let answer = ReleaseAnswer(release: status, live: model.live)
          write(String(decoding: try ReleaseJSON.encode(answer), as: UTF8.self) + "\n")
        }
      }
      return
    }
    var size = size
    func picture() -> [String] { WatchPicture(model, server: server, now: now(), size: size).lines }
    try terminal.enter()
    // What was seen last stays.
    defer {
      try? terminal.leave()
      if model.status != nil { write(picture().map { $0 + "\n" }.joined()) }
    }
    try terminal.draw(picture())
    for try await input in inputs {
      switch input {
      case .event(let event): _ = model.take(event, at: now())
      case .resized(let new): size = new
      case .tick: break
      case .end: return
      }
      try terminal.draw(picture())
    }
  }
}
