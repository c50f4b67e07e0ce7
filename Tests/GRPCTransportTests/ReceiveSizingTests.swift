import NIOCore
import Testing

@testable import GRPCTransport

@Suite struct ReceiveSizingTests {
  /// A thousand connections that all send as much as they can, and wait.
  @Test func theMoreWaitTheLessEachReads() {
    let waiting = WaitingInput(budget: 1 << 20)
    var sizing = ReceiveSizing(minimum: 512, maximum: 32 << 10, waiting: waiting)
    func grow() -> Int {
      for _ in 0..<20 { _ = sizing.record(actualReadBytes: sizing.buffer(allocator: ByteBufferAllocator()).capacity) }
      return sizing.buffer(allocator: ByteBufferAllocator()).capacity
    }
    #expect(grow() == 32 << 10)
    waiting.note(128)
    #expect(grow() == 8 << 10)
    waiting.note(1000)
    #expect(grow() == 2 << 10)
    waiting.note(-1128)
    #expect(grow() == 32 << 10)
  }
}
