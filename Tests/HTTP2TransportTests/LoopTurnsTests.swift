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

  /// The loop's clock moves it on, and the work does.
  private func turns(
    _ large: LargeTurns = LargeTurns(), on loop: EmbeddedEventLoop? = nil, isServedLast: Bool = false,
    yieldProcessor: @escaping () -> Void = {}
  ) -> LoopTurns {
    let loop = loop ?? self.loop
    var shares = LoopTurns.Shares()
    shares.trusted = .microseconds(500)
    return LoopTurns(
      eventLoop: loop, shares: shares, large: large, isServedLast: isServedLast,
      now: { [record] in record.time + (loop.now - .uptimeNanoseconds(0)) }, yieldProcessor: yieldProcessor)
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

  /// What others have of it meanwhile is not of the loop's share.
  @Test func theProcessorIsGivenUpWhenItWasHeldForLong() {
    var slices: [Int] = []
    let turns = turns(yieldProcessor: { [record] in
      slices.append(record.slices.count)
      record.time = record.time + .milliseconds(2)
    })
    turns.begin(Slices("a", 8, of: .microseconds(60), in: record))
    #expect(slices == [2, 4, 6], "each tenth of a millisecond, but not when all is done")
    #expect(record.slices.count == 8 && turns.waitingCount == (trusted: 0, distrusted: 0))
    loop.run()
    record.time = record.time + .milliseconds(5)
    turns.begin(Slices("b", 1, of: .microseconds(60), in: record))
    #expect(slices.count == 3, "it has just come to its processor")
    turns.giveWay()
    #expect(slices.count == 3)
  }

  @Test func aLoopThatIsDoneWithinItsShareKeepsItsProcessor() {
    var count = 0
    let turns = turns(yieldProcessor: { count += 1 })
    for _ in 1...7 { turns.begin(Slices("ack", 1, of: .microseconds(60), in: record)) }
    #expect(record.slices.count == 7 && count == 0)
    for _ in 1...5 { turns.begin(Slices("ack", 1, of: .microseconds(60), in: record)) }
    #expect(turns.waitingCount.trusted == 3 && count == 1, "0.54 ms of 0.5 are used up")
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices.count == 12 && count == 2, "one waited after 0.14 ms")
  }

  @Test func turnsThatFollowEachOtherHoldTheProcessorTogether() {
    var turnsBefore: [Int] = []
    var turn = 0
    let turns = turns(yieldProcessor: { turnsBefore.append(turn) })
    for _ in 1...6 {
      turn += 1
      turns.begin(Slices("ack", 1, of: .microseconds(400), in: record))
      loop.run()
      record.time = record.time + .microseconds(20)
    }
    #expect(turnsBefore == [2, 4, 6])
    record.time = record.time + .microseconds(31)
    turns.begin(Slices("ack", 1, of: .microseconds(400), in: record))
    #expect(turnsBefore.count == 3, "it was away")
  }

  @Test func aSliceThatTakesMoreThanTheShareGivesWay() {
    var count = 0
    let turns = turns(yieldProcessor: { count += 1 })
    turns.begin(Slices("a", 1, of: .microseconds(499), in: record))
    loop.run()
    record.time = record.time + .milliseconds(1)
    #expect(count == 0)
    turns.begin(Slices("a", 1, of: .microseconds(500), in: record))
    #expect(count == 1)
  }

  @Test func whoeverIsNotTrustedLeavesTheProcessorToOthers() {
    var count = 0
    let turns = turns(yieldProcessor: { count += 1 })
    turns.begin(Slices("bad", 1, of: .microseconds(120), isDistrusted: true, in: record))
    turns.begin(Slices("bad", 1, of: .microseconds(120), isDistrusted: true, in: record))
    turns.begin(Slices("good", 1, of: .microseconds(120), in: record))
    #expect(record.slices == ["good"] && count == 1, "others wait in the slow line")
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices == ["good", "bad", "bad"] && count == 3)
  }

  /// A connection that closes gives way within the slice that closes it.
  @Test func whatIsGivenAwayWithinASliceIsNotOfTheShareEither() {
    let turns = turns(yieldProcessor: { [record] in record.time = record.time + .milliseconds(2) })
    let work = Slices("a", 4, of: .microseconds(110), in: record)
    work.then = { turns.giveWay() }
    turns.begin(work)
    #expect(record.slices.count == 4)
    turns.begin(Slices("b", 1, of: .microseconds(10), in: record))
    #expect(record.slices.last == "b", "0.44 ms of 0.5 are used up")
  }

  @Test func aLoopThatIsServedLastGivesUpItsProcessorToo() {
    var count = 0
    let turns = turns(isServedLast: true, yieldProcessor: { count += 1 })
    turns.begin(Slices("a", 4, of: .microseconds(120), in: record))
    #expect(record.slices.count == 4 && count == 4)
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
    for name in ["A", "B", "C"] {
      turns.enqueueLarge(Slices(name, 1, of: .milliseconds(10), in: record), of: 1000, from: nil)
    }
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

  /// A piece that goes on on another thread until it is released. By name.
  private final class Away {
    var pieces: [String: LargeTurns.Piece] = [:]
  }

  private func enqueue(
    _ name: String, of byteCount: Int, from network: UInt8, _ turns: LoopTurns, isDistrusted: Bool = false,
    _ away: Away
  ) {
    let work = Slices(name, 1, of: .zero, isDistrusted: isDistrusted, in: record)
    work.then = { away.pieces[name] = turns.holdLarge() }
    turns.enqueueLarge(work, of: byteCount, from: [network])
  }

  private func release(_ name: String, after time: TimeAmount, _ turns: LoopTurns, _ away: Away) {
    loop.advanceTime(by: time)
    guard let piece = away.pieces.removeValue(forKey: name) else {
      Issue.record("\(name) has not begun")
      return
    }
    turns.releaseLarge(piece, took: time, isHandled: true)
    loop.advanceTime(by: .microseconds(20))
  }

  /// Who sends one large request after the other holds up nobody else for longer than one of them takes.
  @Test func whoHasHadMuchTimeWaitsBehindOthers() {
    let (turns, away) = (turns(), Away())
    for name in ["A1", "A2", "A3"] { enqueue(name, of: 8 << 20, from: 1, turns, away) }
    loop.advanceTime(by: .seconds(1))
    #expect(record.slices == ["A1"], "one of a network at a time, however long it takes")
    enqueue("B1", of: 100_000, from: 2, turns, away)
    enqueue("B2", of: 100_000, from: 2, turns, away)
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices == ["A1", "B1"], "the thread has the next while one goes from loop to loop")
    turns.begin(Slices("small", 1, of: .microseconds(10), in: record))
    release("A1", after: .milliseconds(900), turns, away)
    #expect(record.slices == ["A1", "B1", "small", "B2"])
    release("B1", after: .milliseconds(5), turns, away)
    release("B2", after: .milliseconds(5), turns, away)
    enqueue("C", of: 100_000, from: 3, turns, away)
    loop.advanceTime(by: .milliseconds(1))
    #expect(record.slices.last == "C" && turns.largeCount == 2, "the first rests for as long as its piece took")
    release("C", after: .milliseconds(5), turns, away)
    loop.advanceTime(by: .milliseconds(850))
    #expect(record.slices.count == 5)
    loop.advanceTime(by: .milliseconds(30))
    #expect(record.slices.last == "A2")
  }

  /// A hundred proxies behind one address come back: nobody waits, and neither do they.
  @Test func smallPiecesOfOneNetworkFollowEachOther() {
    let (turns, away) = (turns(), Away())
    for index in 0..<20 { enqueue("\(index)", of: 117_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    for index in 0..<20 { release("\(index)", after: .milliseconds(5), turns, away) }
    #expect(record.slices.count == 20)
  }

  /// And not for what a piece of its size may take: what is known already is looked through in a moment.
  @Test func aNetworkRestsForAsLongAsItsPieceTook() {
    let (turns, away) = (turns(), Away())
    for index in 0..<20 { enqueue("\(index)", of: 1_000_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    for index in 0..<20 { release("\(index)", after: .milliseconds(1), turns, away) }
    #expect(record.slices.count == 20)
  }

  /// A thousand proxies come back with what is known here: as many go at once as are reckoned to take 20 ms. One dear piece, and its
  /// network is as any other.
  @Test func cheapPiecesOfOneNetworkGoTogether() {
    let (turns, away) = (turns(), Away())
    for index in 0..<40 { enqueue("\(index)", of: 300_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices.count == 1, "it may take 24 ms")
    for index in 0..<10 { release("\(index)", after: .microseconds(100), turns, away) }
    #expect(away.pieces.count == 8, "2.4 ms each")
    while let name = away.pieces.keys.first { release(name, after: .microseconds(100), turns, away) }
    #expect(record.slices.count == 40)

    enqueue("dear", of: 300_000, from: 1, turns, away)
    loop.advanceTime(by: .microseconds(20))
    release("dear", after: .milliseconds(24), turns, away)
    for name in ["x", "y", "z"] { enqueue(name, of: 300_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    #expect(away.pieces.isEmpty, "it rests")
    loop.advanceTime(by: .milliseconds(5))
    #expect(away.pieces.count == 1)
  }

  /// What is handled on the loop teaches as much, by the time that it took there.
  @Test(arguments: [
    (cost: TimeAmount.microseconds(300), together: 8), (cost: .milliseconds(15), together: 2),
    (cost: .milliseconds(24), together: 1),
  ])
  func piecesThatAreHandledOnTheLoopTeach(_ cost: TimeAmount, together: Int) {
    let (turns, away) = (turns(), Away())
    for index in 0..<10 {
      let work = Slices("here \(index)", 1, of: cost, in: record)
      work.then = { turns.largeIsHandled() }
      turns.enqueueLarge(work, of: 300_000, from: [1])
    }
    loop.advanceTime(by: .seconds(1))
    #expect(record.slices.count == 10)
    for index in 0..<10 { enqueue("\(index)", of: 300_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    #expect(away.pieces.count == together)
  }

  /// That was another piece's turn.
  @Test func whatIsHandledOutsideOfItsTurnTeachesNothing() {
    let (turns, away) = (turns(), Away())
    for index in 0..<10 {
      turns.largeIsHandled()
      turns.enqueueLarge(Slices("gone \(index)", 1, of: .zero, in: record), of: 300_000, from: [1])
      loop.advanceTime(by: .milliseconds(30))
      turns.largeIsHandled()
    }
    #expect(record.slices.count == 10)
    for index in 0..<10 { enqueue("\(index)", of: 300_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    #expect(away.pieces.count == 1)
  }

  /// Their clients have reset the streams meanwhile.
  @Test func piecesOfWhichNothingIsLeftTeachNothing() {
    let (turns, away) = (turns(), Away())
    for index in 0..<10 {
      turns.enqueueLarge(Slices("gone \(index)", 1, of: .zero, in: record), of: 300_000, from: [1])
    }
    loop.advanceTime(by: .seconds(1))
    #expect(record.slices.count == 10)
    for index in 0..<10 { enqueue("\(index)", of: 300_000, from: 1, turns, away) }
    loop.advanceTime(by: .microseconds(20))
    #expect(away.pieces.count == 1, "it may take 24 ms")
  }

  /// Nobody else's large requests wait for a loop that gets what time others leave over.
  @Test func whatIsLargeOnALoopThatIsServedLastWaitsInTheSlowLine() {
    let (large, away) = (LargeTurns(), Away())
    let last = turns(large, isServedLast: true)
    for network: UInt8 in [1, 2] { enqueue("last \(network)", of: 8 << 20, from: network, last, away) }
    loop.advanceTime(by: .milliseconds(5))
    #expect(record.slices.count == 1, "there is one place")
    enqueue("good", of: 8 << 20, from: 3, turns(large), away)
    loop.advanceTime(by: .microseconds(20))
    #expect(record.slices.last == "good")
  }

  @Test func aSmallPiecePassesLargeOnesOfOthers() {
    let (turns, away) = (turns(), Away())
    for network in 1...4 { enqueue("L\(network)", of: 8 << 20, from: UInt8(network), turns, away) }
    loop.advanceTime(by: .seconds(1))
    #expect(record.slices.count == 2)
    enqueue("small", of: 100_000, from: 9, turns, away)
    release(record.slices[0], after: .milliseconds(1), turns, away)
    #expect(record.slices.last == "small")
    // Not for ever: of those that come much later none does.
    loop.advanceTime(by: .seconds(10))
    enqueue("late", of: 100_000, from: 10, turns, away)
    release("small", after: .milliseconds(1), turns, away)
    #expect(record.slices.last?.first == "L" && turns.largeCount == 2)
  }

  /// They share the thread that handles such work, whichever loop a client is on.
  @Test func allLoopsShareALine() {
    let (large, other, away) = (LargeTurns(), EmbeddedEventLoop(), Away())
    let (one, two) = (turns(large), turns(large, on: other))
    for network: UInt8 in [1, 2] { enqueue("A\(network)", of: 8 << 20, from: network, one, away) }
    loop.advanceTime(by: .microseconds(20))
    enqueue("B", of: 100_000, from: 3, two, away)
    other.advanceTime(by: .seconds(1))
    #expect(record.slices == ["A1", "A2"] || record.slices == ["A2", "A1"])
    #expect(two.largeCount == 1)
    release("A1", after: .milliseconds(1), one, away)
    other.advanceTime(by: .milliseconds(1))
    #expect(record.slices.last == "B")
  }

  /// Those that are not trusted hold up each other, and nobody who is.
  @Test func largeWorkOfThoseThatAreNotTrustedGoesOnElsewhereOneAtATime() {
    let (turns, away) = (turns(), Away())
    for name in ["A", "B", "C"] { enqueue(name, of: 1000, from: 1, turns, isDistrusted: true, away) }
    loop.advanceTime(by: .milliseconds(5))
    #expect(record.slices == ["A"] && turns.largeCount == 2)
    turns.begin(Slices("small", 1, of: .zero, isDistrusted: true, in: record))
    turns.enqueueLarge(Slices("trusted", 1, of: .zero, in: record), of: 1000, from: [1])
    loop.advanceTime(by: .milliseconds(2))
    #expect(record.slices == ["A", "trusted", "small"])
    release("A", after: .milliseconds(100), turns, away)
    loop.advanceTime(by: .milliseconds(75))
    #expect(record.slices.count == 3, "they rest for as long as that took")
    loop.advanceTime(by: .milliseconds(10))
    #expect(record.slices == ["A", "trusted", "small", "B"])
  }

  /// Trust is lost while a piece waits.
  @Test func largeWorkWaitsInTheLineThatIsRightWhenItsTurnComes() {
    let (turns, away) = (turns(), Away())
    enqueue("slow", of: 1000, from: 1, turns, isDistrusted: true, away)
    let work = Slices("B", 1, of: .zero, in: record)
    turns.enqueueLarge(work, of: 1000, from: [2])
    work.isDistrusted = true
    loop.advanceTime(by: .milliseconds(5))
    #expect(record.slices == ["slow"] && turns.largeCount == 1)
    release("slow", after: .milliseconds(1), turns, away)
    loop.advanceTime(by: .milliseconds(5))
    #expect(record.slices == ["slow", "B"] && turns.largeCount == 0)
  }

  @Test func theSlowLinePaysBackALongSlice() {
    let turns = turns()
    turns.begin(Slices("bad", 2, of: .milliseconds(10), isDistrusted: true, in: record))
    turns.enqueueLarge(
      Slices("large", 1, of: .milliseconds(10), isDistrusted: true, in: record), of: 1000, from: nil)
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
    for _ in 0..<3 {
      client.write(ByteBuffer(repeating: 7, count: 2_000), on: try client.openStream(requestHead, endStream: false))
    }
    var sent = ByteBuffer()
    try client.takeOutput(limit: .max) { sent.writeImmutableBuffer($0) }
    reads.count = 0

    channel.pipeline.fireChannelRead(sent)
    channel.pipeline.fireChannelReadComplete()
    #expect(turns.waitingCount.trusted == 1)
    channel.read()
    #expect(reads.count == 0)
    // One slice in a turn.
    var count = 0
    while turns.waitingCount.trusted > 0, count < 100 {
      #expect(reads.count == 0)
      loop.advanceTime(by: .microseconds(20))
      count += 1
    }
    #expect((3...10).contains(count))
    #expect(user.accepted.map(\.body.count) == [2_000, 2_000, 2_000])
    #expect(reads.count == 1)
    channel.close(promise: nil)
    loop.run()
  }
}
