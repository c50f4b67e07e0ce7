import HTTP2Transport
import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCTransport

/// What the line for large messages hears of a call, and what a call keeps while they wait. Without a connection.
@Suite struct LargeMessageTests {
  private final class Handler: GRPCCallHandler {
    let call: GRPCCall
    let onMessage: (GRPCCall) -> Void
    var messages: [ByteBuffer] = []

    init(_ call: GRPCCall, _ onMessage: @escaping (GRPCCall) -> Void) {
      self.call = call
      self.onMessage = onMessage
    }
    func received(message: ByteBuffer) {
      messages.append(message)
      onMessage(call)
    }
    func receivedEnd() {}
    func closed(_ reason: GRPCCloseReason) {}
  }

  private let loop = EmbeddedEventLoop()
  private let turns: LoopTurns

  init() {
    let loop = loop
    // Nothing takes any time, but what the tests say.
    turns = LoopTurns(eventLoop: loop, now: { loop.now })
  }

  private func open(onMessage: @escaping (GRPCCall) -> Void = { _ in }) -> (call: GRPCCall, handler: Handler) {
    let call = GRPCCall(
      role: .server, method: "/test", metadata: [], eventLoop: loop, remoteAddress: nil, maxMessageSize: 1 << 20)
    let handler = Handler(call, onMessage)
    call.handler = handler
    call.turns = turns
    call.connectionCalls = ConnectionCallsTests.calls { _ in }
    return (call, handler)
  }

  private static let large = GRPCFraming.frame(ByteBuffer(repeating: 1, count: 300_000))

  /// Ten calls' large messages, one of which may take 24 ms as far as is known. Returns how many are on their way at once.
  private func together() -> Int {
    let calls = (0..<10).map { _ in open { $0.holdLargeMessages() } }
    for (call, _) in calls { call.received(body: Self.large) }
    loop.advanceTime(by: .microseconds(20))
    let count = calls.count { $0.handler.messages.count == 1 }
    for (call, _) in calls {
      call.closed(.reset(.cancel, byPeer: true))
      call.releaseLargeMessages(took: .zero)
    }
    loop.advanceTime(by: .seconds(1))
    return count
  }

  enum Fate: CaseIterable {
    case handledHere, handledElsewhere
    case resetBefore, resetElsewhere, refused, refusedElsewhere, compressed

    /// Whether it tells what others take.
    var teaches: Bool { self == .handledHere || self == .handledElsewhere }
    var isDelivered: Bool { self != .resetBefore && self != .compressed }
  }

  /// Proxies that come back are several at a time. But nobody makes its network count as cheap with what is not handled.
  @Test(arguments: Fate.allCases) func whatIsHandledTeaches(_ fate: Fate) {
    #expect(together() == 1)
    for _ in 0..<8 {
      let (call, handler) = open { call in
        switch fate {
        case .resetElsewhere, .refusedElsewhere, .handledElsewhere: call.holdLargeMessages()
        // As `finish` does, for which a stream is needed.
        case .refused: call.status = GRPCStatus(.invalidArgument, "")
        case .handledHere, .resetBefore, .compressed: break
        }
      }
      var message = Self.large
      if fate == .compressed { message.setInteger(1, at: message.readerIndex, as: UInt8.self) }
      call.received(body: message)
      #expect(handler.messages.isEmpty)
      if fate == .resetBefore { call.closed(.reset(.cancel, byPeer: true)) }
      loop.advanceTime(by: .milliseconds(100))
      #expect(handler.messages.count == (fate.isDelivered ? 1 : 0))
      if fate == .resetElsewhere { call.closed(.reset(.cancel, byPeer: true)) }
      if fate == .refusedElsewhere { call.status = GRPCStatus(.invalidArgument, "") }
      call.releaseLargeMessages(took: .zero)
    }
    #expect(turns.largeCount == 0)
    #expect(together() == (fate.teaches ? 8 : 1))
  }

  /// The buffer may be the loop's scratch, which is much larger than what came.
  @Test func aPausedCallKeepsNoMoreThanItWasSent() {
    for frames in [1, 3] {
      let (call, handler) = open()
      call.pauseReading()
      for frame in 0..<frames {
        var scratch = ByteBuffer(repeating: 0, count: 64 << 10)
        scratch.setBuffer(GRPCFraming.frame(ByteBuffer(repeating: UInt8(frame), count: 1000)), at: 0)
        call.received(body: scratch.readSlice(length: 1000 + GRPCFraming.prefixLength) ?? ByteBuffer())
        #expect(call.deframer.bufferedBytes == (frame + 1) * 1005)
        #expect(call.deframer.capacity <= 4 * call.deframer.bufferedBytes)
      }
      call.resumeReading()
      #expect(handler.messages.map(\.readableBytes) == [Int](repeating: 1000, count: frames))
    }
  }
}
