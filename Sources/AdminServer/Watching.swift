internal import Hummingbird
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Sends something to those who watch it, as it changes: JSON lines, or server-sent events.
///
/// An empty line (a comment, in events) goes out when there was nothing else for a while: the write fails for a client that is
/// gone, and who is there knows that the server is. Who takes nothing in the time of four of them is let go.
final class Watching: Sendable {
  private let heartbeat: Duration
  private let places: Places

  /// - Parameter places: how many may watch at a time.
  init(heartbeat: Duration = .seconds(15), places: Int = 64) {
    self.heartbeat = heartbeat
    self.places = Places(places)
  }

  private enum Item<Element: Sendable>: Sendable {
    case element(Element)
    case heartbeat
  }

  /// What has not been taken yet, and for how many heartbeats.
  private struct Progress {
    enum Beat { case idle, busy, stuck }

    private var waiting = 0
    private var beats = 0

    mutating func add() { waiting += 1 }
    mutating func drop() { waiting -= 1 }

    mutating func wrote() {
      waiting -= 1
      beats = 0
    }

    mutating func beat() -> Beat {
      guard waiting > 0 else {
        waiting += 1
        return .idle
      }
      beats += 1
      return beats < 4 ? .busy : .stuck
    }
  }

  /// Whether somebody wants to hear of changes, where one answer is to be had as well.
  static func isAsked(for request: Request) -> Bool {
    request.headers[.accept].map { $0.contains("ndjson") || $0.contains("text/event-stream") } ?? false
  }

  /// - Parameters:
  ///   - event: what an element is called, as an event.
  ///   - id: of an element.
  func response<Element: Encodable & Sendable>(
    to request: Request, _ context: AdminContext, _ elements: AsyncThrowingStream<Element, any Error>, event: String,
    id: @escaping @Sendable (Element) -> UInt64
  ) throws -> Response {
    // Held as long as the answer is there, whether it is written or not.
    let place = try places.take()
    let isEvents = request.headers[.accept]?.contains("text/event-stream") == true
    let bytes = { @Sendable (item: Item<Element>) throws -> [UInt8] in
      guard case .element(let element) = item else { return Array((isEvents ? ":\n\n" : "\n").utf8) }
      let json = try AdminJSON.encode(element)
      guard isEvents else { return json }
      return Array("event: \(event)\nid: \(id(element))\ndata: ".utf8) + json + [UInt8(ascii: "\n")]
    }
    var response = text("", contentType: isEvents ? "text/event-stream" : "application/x-ndjson")
    response.body = ResponseBody { [heartbeat] writer in
      try await request.body.consumeWithCancellationOnInboundClose { _ in
        // Ends what feeds it, too, when it ends.
        let feed = Feed(elements, heartbeat: heartbeat, channel: context.channel)
        try await feed.run { item in
          try await writer.write(ByteBuffer(bytes: try bytes(item)))
        }
      }
      withExtendedLifetime(place) {}
      try await writer.finish(nil)
    }
    return response
  }

  /// Elements and heartbeats for one client. Ends when the elements do, when the server shuts down, or with its task.
  private final class Feed<Element: Sendable>: Sendable {
    private let elements: AsyncThrowingStream<Element, any Error>
    private let heartbeat: Duration
    private let channel: any Channel
    private let items: AsyncThrowingStream<Item<Element>, any Error>
    private let continuation: AsyncThrowingStream<Item<Element>, any Error>.Continuation
    private let progress = Mutex(Progress())

    init(
      _ elements: AsyncThrowingStream<Element, any Error>, heartbeat: Duration, channel: any Channel
    ) {
      self.elements = elements
      self.heartbeat = heartbeat
      self.channel = channel
      // Who is slow gets the newest.
      (items, continuation) = AsyncThrowingStream.makeStream(
        of: Item<Element>.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(16))
    }

    func run(_ write: (Item<Element>) async throws -> Void) async throws {
      async let _: Void = forward()
      async let _: Void = beat()
      for try await item in items {
        try await write(item)
        progress.withLock { $0.wrote() }
      }
      // Leaving cancels both.
    }

    private func forward() async {
      do {
        for try await element in elements.cancelOnGracefulShutdown() {
          progress.withLock { $0.add() }
          if case .dropped = continuation.yield(.element(element)) { progress.withLock { $0.drop() } }
        }
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }

    private func beat() async {
      while (try? await Task.sleep(for: heartbeat)) != nil {
        switch progress.withLock({ $0.beat() }) {
        case .idle: continuation.yield(.heartbeat)
        case .busy: break
        case .stuck:
          // Whoever writes to it finds that out.
          return channel.close(promise: nil)
        }
      }
    }
  }
}
