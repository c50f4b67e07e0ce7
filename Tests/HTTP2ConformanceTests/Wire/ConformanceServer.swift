import GRPCTransport
import Logging
import NIOCore
import NIOPosix

/// A gRPC server with the three methods that the cases need.
struct ConformanceServer {
  let grpc: GRPCServer
  let port: Int

  /// Waits until no connection and no call is left.
  func becomesEmpty() async throws {
    try await eventually("no connection and no call is left") { grpc.connectionCount == 0 && grpc.callCount == 0 }
  }
}

func withConformanceServer(_ body: (ConformanceServer) async throws -> Void) async throws {
  let grpc = GRPCServer(
    group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  ) { call in
    switch call.method {
    case "/test/Echo": EchoHandler(call)
    case "/test/Greet": GreetHandler(call)
    case "/test/Hold": HoldHandler()
    default: nil
    }
  }
  let address = try await grpc.bind(to: .tcp(host: "127.0.0.1", port: 0))
  do {
    try await body(ConformanceServer(grpc: grpc, port: address.port ?? 0))
  } catch {
    await grpc.shutdown(gracePeriod: .zero)
    throw error
  }
  await grpc.shutdown(gracePeriod: .zero)
}

/// Sends every message back, and OK at the end.
private final class EchoHandler: GRPCCallHandler {
  private let call: GRPCCall
  init(_ call: GRPCCall) { self.call = call }
  func received(message: ByteBuffer) { call.send(message) }
  func receivedEnd() { call.finish(.ok) }
  func closed(_ reason: GRPCCloseReason) {}
}

/// One message of 16 bytes, and OK, when the client has ended.
private final class GreetHandler: GRPCCallHandler {
  private let call: GRPCCall
  init(_ call: GRPCCall) { self.call = call }
  func received(message: ByteBuffer) {}
  func receivedEnd() {
    call.send(ByteBuffer(repeating: UInt8(ascii: "w"), count: 16))
    call.finish(.ok)
  }
  func closed(_ reason: GRPCCloseReason) {}
}

/// Never answers.
private final class HoldHandler: GRPCCallHandler {
  func received(message: ByteBuffer) {}
  func closed(_ reason: GRPCCloseReason) {}
}

struct NeverCame: Error, CustomStringConvertible {
  let description: String
}

/// Looks every few milliseconds, for counts tell no events.
func eventually(
  within limit: Duration = .seconds(10), _ what: String, _ condition: () async throws -> Bool
) async throws {
  let end = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < end else { throw NeverCame(description: "after \(limit): not \(what)") }
    try await Task.sleep(for: .milliseconds(2))
  }
}
