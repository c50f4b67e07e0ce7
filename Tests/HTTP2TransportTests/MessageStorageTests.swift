import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2Transport

@Suite struct MessageStorageTests {
  private let loop = EmbeddedEventLoop()
  private let storage: MessageStorage

  init() { storage = MessageStorage(timers: LoopTimers(eventLoop: loop)) }

  private func buffer(_ capacity: Int, _ byte: UInt8 = 1) -> ByteBuffer {
    var buffer = ByteBufferAllocator().buffer(capacity: capacity)
    buffer.writeRepeatingByte(byte, count: capacity)
    return buffer
  }

  private func address(_ buffer: ByteBuffer) -> UInt {
    buffer.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
  }

  @Test func theMemoryOfAMessageIsTheNextOnes() throws {
    let first = address(
      { () -> ByteBuffer in
        let buffer = buffer(1 << 20)
        storage.give(buffer)
        return buffer
      }())
    let next = try #require(storage.take(for: 700_000, atMost: 8 << 20))
    #expect(address(next) == first && next.readableBytes == 0 && next.writableBytes >= 700_000)
    #expect(storage.byteCount == 0 && storage.take(for: 700_000, atMost: 8 << 20) == nil)
  }

  /// Somebody keeps a message, and another may not be written over it.
  @Test func whatIsStillReadStaysAsItIs() throws {
    let kept = buffer(1 << 20, 7)
    storage.give(kept)
    var next = try #require(storage.take(for: 1 << 20, atMost: 1 << 20))
    #expect(address(next) != address(kept) && next.writableBytes >= 1 << 20)
    next.writeRepeatingByte(0, count: 1 << 20)
    #expect(kept.readableBytesView.allSatisfy { $0 == 7 })
  }

  @Test func nobodyGetsMoreThanTheLimit() {
    storage.give(buffer(4 << 20))
    #expect(storage.take(for: 900_000, atMost: (4 << 20) - 1) == nil)
    #expect(storage.take(for: (4 << 20) + 1, atMost: 8 << 20) == nil, "it is too small")
    #expect(storage.take(for: 4 << 20, atMost: 0) == nil)
    #expect(storage.byteCount == 4 << 20)
    #expect(storage.take(for: 900_000, atMost: 4 << 20) != nil)
  }

  @Test func noMoreThanSoMuchIsKept() {
    storage.give(buffer(MessageStorage.least / 2))
    #expect(storage.byteCount == 0)
    for _ in 0..<20 { storage.give(buffer(1 << 20)) }
    #expect(storage.byteCount == MessageStorage.most)
    storage.give(buffer(16 << 20))
    #expect(storage.byteCount == MessageStorage.most)
  }

  @Test func itIsLetGoWhenNobodyNeedsIt() {
    storage.give(buffer(1 << 20))
    for _ in 0..<5 {
      loop.advanceTime(by: .milliseconds(900))
      if let buffer = storage.take(for: 1 << 20, atMost: 1 << 20) { storage.give(buffer) }
    }
    #expect(storage.byteCount == 1 << 20)
    loop.advanceTime(by: .seconds(2))
    #expect(storage.byteCount == 0)
    storage.give(buffer(1 << 20))
    loop.advanceTime(by: .seconds(2))
    #expect(storage.byteCount == 0, "and again")
  }
}
