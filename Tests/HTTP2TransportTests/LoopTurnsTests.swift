import HTTP2Session
import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2Transport

/// Who has a turn when, by a clock that the work itself moves on.
@Suite struct LoopTurnsTests {
  final class Record {
    var time = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var slices: [String] = []
    var ends: [String] = []
  }

  final class Slices: LoopTurns.Work {
    private let name: String
    private let record: Record
    private let cost: TimeAmount
    private var left: Int
    var isDistrusted: Bool
    /// What a slice does.
    var then: () -> Void = {}

    init(_ name: String, _ count: Int, of cost: TimeAmount, isDistrusted: Bool = false, in record: Record) {
      self.name = name
      self.record = record
      self.cost = cost
      self.isDistrusted = isDistrusted
      left = count
    }

    func takeSlice() -> Bool {
      record.time = record.time + cost
      record.slices.append(name)
      left -= 1
      then()
      return left > 0
    }

    func endSlices() { record.ends.append(name) }
  }

  private let loop = EmbeddedEventLoop()
  private let record = Record()

  private func turns() -> LoopTurns {
    var shares = LoopTurns.Shares()
    shares.trusted = .microseconds(500)
    return LoopTurns(eventLoop: loop, shares: shares, now: { [record] in record.time })
  }

  @Test func whatFitsIntoTheShareIsDoneAtOnce() {
    let turns = turns()
    turns.begin(Slices("a", 4, of: .microseconds(100), in: record))
    #expect(record.slices == ["a", "a", "a", "a"])
    #expect(record.ends == ["a"])
    #expect(turns.waitingCount == (trusted: 0, distrusted: 0))
  }

  @Test func whatDoesNotFitWaitsAndThenGoesOnInTurn() {
    let turns = turns()
    turns.begin(Slices("a", 5, of: .microseconds(200), in: record))
    #expect(record.slices == ["a", "a", "a"], "0.5 ms are used up during the third")
    turns.begin(Slices("b", 2, of: .microseconds(200), in: record))
    #expect(record.slices.count == 3, "whoever comes later waits too")
    #expect(turns.waitingCount == (trusted: 2, distrusted: 0))

    var hasRun = false
    loop.execute { hasRun = true }
    loop.run()
    #expect(hasRun && record.slices.count == 3, "the loop's tasks come first")
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices == ["a", "a", "a", "a", "b", "a"])
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices == ["a", "a", "a", "a", "b", "a", "b"])
    #expect(turns.waitingCount == (trusted: 0, distrusted: 0))
  }

  @Test func aNewTurnHasItsWholeShare() {
    let turns = turns()
    turns.begin(Slices("a", 1, of: .milliseconds(3), in: record))
    loop.run()
    turns.begin(Slices("b", 1, of: .milliseconds(3), in: record))
    #expect(record.slices == ["a", "b"])
  }

  @Test func whoIsNotTrustedHoldsUpNobody() {
    let turns = turns()
    turns.begin(Slices("bad", 5, of: .microseconds(120), isDistrusted: true, in: record))
    #expect(record.slices.isEmpty)
    turns.begin(Slices("good", 2, of: .microseconds(10), in: record))
    #expect(record.slices == ["good", "good"])
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices == ["good", "good", "bad", "bad"], "0.2 ms in each millisecond")
    loop.advanceTime(by: .microseconds(500))
    #expect(record.slices.count == 4)
    loop.advanceTime(by: .milliseconds(2))
    #expect(record.slices.count == 7 && turns.waitingCount == (trusted: 0, distrusted: 0))
  }

  /// Nothing can come between a large piece of work's begin and end, but much between two of them.
  @Test func largeWorkWaitsForAsLongAsItTook() {
    let turns = turns()
    for name in ["A", "B", "C"] { turns.enqueueLarge(Slices(name, 1, of: .milliseconds(10), in: record)) }
    #expect(record.slices.isEmpty)
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices == ["A"])
    turns.begin(Slices("small", 1, of: .microseconds(10), in: record))
    #expect(record.slices == ["A", "small"], "it stands behind none of them")
    loop.advanceTime(by: .milliseconds(9))
    #expect(record.slices == ["A", "small"])
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices == ["A", "small", "B"] && turns.largeCount == 1)
    loop.advanceTime(by: .milliseconds(10))
    #expect(record.slices == ["A", "small", "B", "C"])
  }

  /// A piece of work that goes on on another thread holds up the others of its line, and nothing else.
  @Test func largeWorkThatGoesOnElsewhereIsWaitedFor() {
    let turns = turns()
    for name in ["A", "B", "C"] { turns.enqueueLarge(Slices(name, 1, of: .zero, in: record)) }
    // The first one says so when it has its turn.
    turns.holdLarge()
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices.isEmpty && turns.largeCount == 3)
    turns.begin(Slices("small", 1, of: .microseconds(10), in: record))
    #expect(record.slices == ["small"])
    record.time = record.time + .milliseconds(30)
    turns.releaseLarge()
    loop.advanceTime(by: .milliseconds(30) - .microseconds(10))
    #expect(record.slices == ["small"], "the line rests for as long as that took")
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices == ["small", "A", "B", "C"])
  }

  /// Those that are not trusted hold up each other, and nobody who is.
  @Test func largeWorkOfThoseThatAreNotTrustedGoesOnElsewhereOneAtATime() {
    let turns = turns()
    let first = Slices("A", 1, of: .zero, isDistrusted: true, in: record)
    first.then = { turns.holdLarge(isDistrusted: true) }
    turns.enqueueLarge(first)
    for name in ["B", "C"] { turns.enqueueLarge(Slices(name, 1, of: .zero, isDistrusted: true, in: record)) }
    loop.advanceTime(by: .milliseconds(5))
    #expect(record.slices == ["A"] && turns.largeCount == 2)
    turns.begin(Slices("small", 1, of: .zero, isDistrusted: true, in: record))
    turns.enqueueLarge(Slices("trusted", 1, of: .zero, in: record))
    loop.advanceTime(by: .milliseconds(2))
    #expect(record.slices == ["A", "trusted", "small"])
    record.time = record.time + .milliseconds(30)
    turns.releaseLarge(isDistrusted: true)
    loop.advanceTime(by: .milliseconds(29))
    #expect(record.slices.count == 3, "they rest for as long as that took")
    loop.advanceTime(by: .milliseconds(10))
    #expect(record.slices == ["A", "trusted", "small", "B", "C"] && turns.largeCount == 0)
  }

  @Test func theSlowLinePaysBackALongSlice() {
    let turns = turns()
    turns.begin(Slices("bad", 2, of: .milliseconds(10), isDistrusted: true, in: record))
    turns.enqueueLarge(Slices("large", 1, of: .milliseconds(10), isDistrusted: true, in: record))
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices == ["bad"])
    loop.advanceTime(by: .milliseconds(48))
    #expect(record.slices == ["bad"], "a fifth of the time, not half of it")
    loop.advanceTime(by: .milliseconds(2))
    #expect(record.slices == ["bad", "large"])
  }

  /// A fresh slice each look at the clock, so that each uses up its turn.
  @Test func aConnectionIsNotReadFromWhileItWaits() throws {
    final class Reads: ChannelOutboundHandler {
      typealias OutboundIn = ByteBuffer
      var count = 0
      func read(context: ChannelHandlerContext) { count += 1 }
    }
    let turns = LoopTurns(
      eventLoop: loop,
      now: { [record] in
        record.time = record.time + .milliseconds(1)
        return record.time
      })
    let user = RecordingConnection()
    let server = try HTTP2Connection(role: .server, configuration: .init(), delegate: user, turns: turns)
    let reads = Reads()
    let channel = EmbeddedChannel(handlers: [reads, server], loop: loop)
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    let client = try HTTP2Session(role: .client)
    let stream = try client.openStream(requestHead, endStream: false)
    client.write(ByteBuffer(repeating: 7, count: 9_000), on: stream)
    var sent = ByteBuffer()
    try client.takeOutput(limit: .max) { sent.writeImmutableBuffer($0) }
    reads.count = 0

    channel.pipeline.fireChannelRead(sent)
    channel.pipeline.fireChannelReadComplete()
    #expect(turns.waitingCount.trusted == 1)
    channel.read()
    #expect(reads.count == 0)
    // Five slices and what is left, one in a turn.
    for _ in 0..<6 { loop.advanceTime(by: .microseconds(20)) }
    #expect(turns.waitingCount.trusted == 0)
    #expect(user.accepted.first?.body.count == 9_000)
    #expect(reads.count == 1)
    channel.close(promise: nil)
    loop.run()
  }
}
