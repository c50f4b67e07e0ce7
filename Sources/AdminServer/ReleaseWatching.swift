internal import Hummingbird
internal import NIOCore
internal import ReleaseControl
internal import ServiceLifecycle
internal import Synchronization

/// Sends releases to those who watch, as they change: JSON lines, or server-sent events.
///
/// An empty line (a comment, in events) goes out when there was nothing else for a while: the write fails for a client that is
/// gone, and who is there knows that the server is. Who takes nothing in the time of four of them is let go.
final class ReleaseWatching: Sendable {
  private let heartbeat: Duration
  private let places: Places

  /// - Parameter places: how many may watch at a time.
  init(heartbeat: Duration = .seconds(15), places: Int = 64) {
    self.heartbeat = heartbeat
    self.places = Places(places)
  }

  private enum Item: Sendable {
    case status(ReleaseStatus)
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

  func response(
    to request: Request, _ context: AdminContext, _ statuses: AsyncThrowingStream<ReleaseStatus, any Error>
  ) throws -> Response {
    // Held as long as the answer is there, whether it is written or not.
    let place = try places.take()
    let isEvents = request.headers[.accept]?.contains("text/event-stream") == true
    var response = text("", contentType: isEvents ? "text/event-stream" : "application/x-ndjson")
    response.body = ResponseBody { [heartbeat] writer in
      try await request.body.consumeWithCancellationOnInboundClose { _ in
        // Ends what feeds it, too, when it ends.
        let feed = Feed(statuses, heartbeat: heartbeat, channel: context.channel)
        try await feed.run { item in
          try await writer.write(ByteBuffer(bytes: try Self.bytes(of: item, isEvents: isEvents)))
        }
      }
      withExtendedLifetime(place) {}
      try await writer.finish(nil)
    }
    return response
  }

  private static func bytes(of item: Item, isEvents: Bool) throws -> [UInt8] {
    switch item {
    case .heartbeat: return Array((isEvents ? ":\n\n" : "\n").utf8)
    case .status(let status):
      let json = try AdminJSON.encode(status)
      return isEvents
        ? Array("event: release\nid: \(status.revision)\ndata: ".utf8) + json + [UInt8(ascii: "\n")] : json
    }
  }

  /// Statuses and heartbeats for one client. Ends when the releases do, when the server shuts down, or with its task.
  private final class Feed: Sendable {
    private let statuses: AsyncThrowingStream<ReleaseStatus, any Error>
    private let heartbeat: Duration
    private let channel: any Channel
    private let items: AsyncThrowingStream<Item, any Error>
    private let continuation: AsyncThrowingStream<Item, any Error>.Continuation
    private let progress = Mutex(Progress())

    init(
      _ statuses: AsyncThrowingStream<ReleaseStatus, any Error>, heartbeat: Duration, channel: any Channel
    ) {
      self.statuses = statuses
      self.heartbeat = heartbeat
      self.channel = channel
      // Who is slow gets the newest.
      (items, continuation) = AsyncThrowingStream.makeStream(
        of: Item.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(16))
    }

    func run(_ write: (Item) async throws -> Void) async throws {
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
        for try await status in statuses.cancelOnGracefulShutdown() {
          progress.withLock { $0.add() }
          if case .dropped = continuation.yield(.status(status)) { progress.withLock { $0.drop() } }
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
