public import HTTP2Transport
private import Synchronization

/// Why a new connection was turned away.
public enum GRPCConnectionRefusal: String, Sendable, CaseIterable {
  /// As many are open as may be.
  case connections
  /// The process holds as many bytes for clients as it may.
  case memory
  /// The process, or the system, has no file descriptor left.
  case descriptors
}

/// Which limit ended one stream.
public enum GRPCStreamLimit: String, Sendable, CaseIterable {
  case messageSize = "message_size"
  case headerSize = "header_size"
  case bufferMemory = "buffer_memory"
  case writeStall = "write_stall"
  /// No message came soon enough after the call.
  case firstMessage = "first_message"
  /// A message that had begun did not end.
  case messageTime = "message_time"
}

/// How often each of a few things happened. For rare things: each count takes a lock.
public final class EventCounts<Event: Hashable & Sendable>: Sendable {
  private let counts = Mutex<[Event: Int]>([:])

  public subscript(event: Event) -> Int { counts.withLock { $0[event] ?? 0 } }

  func add(_ event: Event) { counts.withLock { $0[event, default: 0] += 1 } }
}

/// Totals of a server since its start; see ``GRPCServer`` for what is open now.
public struct GRPCServerCounts: Sendable {
  public let refusedConnections = EventCounts<GRPCConnectionRefusal>()
  public let closedConnections = EventCounts<HTTP2ConnectionError.Code>()
  public let limitedStreams = EventCounts<GRPCStreamLimit>()
}
