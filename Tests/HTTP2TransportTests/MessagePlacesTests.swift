import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2Transport

/// Of connections that send long messages a few go on at a time. By a clock that the loop and the work move on.
@Suite struct MessagePlacesTests {
  private final class Record {
    var spent = TimeAmount.zero
    var slices: [String] = []
  }

  /// A connection in a long message.
  private final class Long: LoopTurns.Work {
    let name: String
    private let record: Record
    var isDistrusted: Bool
    var isInLongMessage = true
    /// Whether its socket has more.
    var hasMore = true
    var isOver = false
    var hasWaited = false

    init(_ name: String, isDistrusted: Bool = false, in record: Record) {
      self.name = name
      self.isDistrusted = isDistrusted
      self.record = record
    }

    func takeSlice() -> Bool {
      record.spent = record.spent + .microseconds(200)
      record.slices.append(name)
      return hasMore
    }

    func endSlices() {}

    func hasWaitedEnough() {
      hasWaited = true
      isInLongMessage = false
    }
  }

  private let loop = EmbeddedEventLoop()
  private let record = Record()

  private func turns(isServedLast: Bool = false) -> LoopTurns {
    LoopTurns(
      eventLoop: loop, isServedLast: isServedLast,
      now: { [record, loop] in .uptimeNanoseconds(1_000_000_000) + (loop.now - .uptimeNanoseconds(0)) + record.spent },
      yieldProcessor: {})
  }

  /// As many as there are places, and who comes after them.
  private let first = 0..<MessagePlaces.places
  private let next = "\(MessagePlaces.places)"
  private var inPlace: Set<String> { Set(first.map { "\($0)" }) }

  private func begin(_ names: some Sequence<Int>, _ turns: LoopTurns, isDistrusted: Bool = false) -> [Long] {
    let works = names.map { Long("\($0)", isDistrusted: isDistrusted, in: record) }
    for work in works {
      turns.begin(work)
      // Each is heard of in a turn of its own.
      loop.run()
    }
    return works
  }

  /// Who has slices while the loop goes round so many times.
  private func served(in milliseconds: Int64 = 1) -> Set<String> {
    record.slices = []
    for _ in 0..<(milliseconds * 20) { loop.advanceTime(by: .microseconds(50)) }
    return Set(record.slices)
  }

  @Test func aFewAreReceivedAtATimeAndTheNextWhenOneIsHandled() {
    let turns = turns()
    let works = begin(0..<first.count + 2, turns)
    #expect(served() == inPlace)
    #expect(turns.waitingCount.trusted == first.count + 2)
    works[2].isInLongMessage = false
    works[2].hasMore = false
    turns.noteMessage(of: works[2], isWhole: true)
    _ = served()
    #expect(served() == inPlace.subtracting(["2"]), "until it is handled it has its place")
    turns.endMessage(of: works[2])
    #expect(served() == inPlace.subtracting(["2"]).union([next]))
  }

  @Test func whoIsInNoLongMessageIsNotHeldUp() {
    let turns = turns()
    _ = begin(0..<first.count + 2, turns)
    let short = Long("short", in: record)
    (short.isInLongMessage, short.hasMore) = (false, false)
    turns.begin(short)
    #expect(served().isSuperset(of: inPlace.union(["short"])))
  }

  @Test func whoBringsNothingLosesItsPlaceToOneThatWaits() {
    let turns = turns()
    let works = begin(0...first.count, turns)
    for work in works { work.hasMore = false }
    #expect(served(in: 3).isSubset(of: inPlace), "their peers have nothing, but not for long")
    #expect(served(in: 10) == [next])
    works[0].hasMore = true
    turns.begin(works[0])
    #expect(served() == ["0"], "there are places")
  }

  /// Drop by drop is no better: what counts is for how long there was nothing in all.
  @Test func whoTricklesLosesItsPlaceToo() {
    let turns = turns()
    let works = begin(0...first.count, turns)
    for work in works { work.hasMore = false }
    _ = served()
    var rounds = 0
    while !record.slices.contains(next), rounds < 50 {
      rounds += 1
      for work in works[first] { turns.begin(work) }
      loop.advanceTime(by: .milliseconds(1))
    }
    #expect((4...12).contains(rounds))
  }

  /// A peer that sends without end, or a message that nobody gets to.
  @Test func aPlaceIsLostAfterATimeInAnyCase() {
    let turns = turns()
    let works = begin(0...first.count, turns)
    for work in works { turns.noteMessage(of: work, isWhole: true) }
    works[0].hasMore = false
    let start = turns.now()
    while !served().contains(next), turns.now() < start + .seconds(1) {}
    let time = turns.now() - start
    #expect(time > MessagePlaces.longest - .milliseconds(10))
    #expect(time < MessagePlaces.longest + .milliseconds(100), "when somebody looks")
  }

  @Test func aPlaceIsNobodysWhileNobodyWaits() {
    let turns = turns()
    let works = begin(first, turns)
    for work in works { work.hasMore = false }
    _ = served(in: 200)
    record.slices = []
    for work in works {
      turns.begin(work)
      loop.run()
    }
    #expect(record.slices == first.map { "\($0)" } && served() == [] && turns.waitingCount.trusted == 0)
    works[0].hasMore = true
    turns.begin(works[0])
    #expect(served() == ["0"])
  }

  /// A client that closes while it waits, or a thousand, are nobody's concern.
  @Test func whoIsOverNeitherWaitsNorHasAPlace() {
    let turns = turns()
    let works = begin(0..<first.count + 40, turns)
    _ = served()
    for work in works[first.count..<works.count - 1] { work.isOver = true }
    turns.endMessage(of: works[0])
    works[0].isInLongMessage = false
    works[0].hasMore = false
    let served = served()
    #expect(
      served.contains("\(works.count - 1)") && served.isDisjoint(with: (first.count..<works.count - 1).map { "\($0)" }))
    #expect(turns.waitingCount.trusted == first.count)
  }

  /// Whatever those in place do, and those before it in the line.
  @Test func nobodyWaitsForLongerThanASecond() {
    let turns = turns()
    let works = begin(0..<first.count + 1000, turns)
    let last = works[works.count - 1]
    let start = turns.now()
    while !last.hasWaited, !record.slices.contains(last.name), turns.now() < start + .seconds(5) {
      record.slices = []
      loop.advanceTime(by: .milliseconds(1))
    }
    #expect(turns.now() - start < MessagePlaces.mostWaiting + .milliseconds(300))
    #expect(works.contains { $0.hasWaited } && works.contains { !$0.hasWaited })
  }

  /// Those have lines of their own, and hold up each other only.
  @Test(arguments: [true, false]) func whoIsServedLastNeedsNoPlace(_ isDistrusted: Bool) {
    let turns = turns(isServedLast: !isDistrusted)
    _ = begin(0..<first.count + 2, turns, isDistrusted: isDistrusted)
    #expect(served(in: 20).count == first.count + 2)
  }

  @Test func whoComesToBeDistrustedMeanwhileGoesToTheSlowLine() {
    let turns = turns()
    let works = begin(0...first.count, turns)
    _ = served()
    works[first.count].isDistrusted = true
    works[0].hasMore = false
    works[0].isInLongMessage = false
    turns.endMessage(of: works[0])
    #expect(turns.waitingCount.distrusted == 1)
    #expect(served(in: 5).contains(next))
    let another = begin([99], turns)
    #expect(served().contains("99"), "it has left its place")
    withExtendedLifetime(another) {}
  }
}
