internal import HTTP2Session
public import NIOCore

/// Shares the time of one event loop between what its connections receive and everything else that it does.
///
/// A selector hands a loop all sockets that have something to read, and only then is it the turn of tasks: of a publication,
/// say, that a thousand proxies wait for. A few hundred clients that each send what takes long to handle would so make a turn
/// of many milliseconds. Here what is received is handled in small slices. When these have taken their share of the turn, the
/// connections that are not done wait in line, and none of them is read from until it is done; after everything else has had
/// its turn, those that have waited longest go on, a slice each.
///
///     read ──▶ slice, slice, … ── share used up ──▶ line ──(tasks, sockets)──▶ slice each, for another share ──▶ line …
///     read, of a client that is not trusted ──▶ slow line ──(every millisecond)──▶ slices, for a fifth of the time
///
/// Clients that have broken rules, or come from where rules were just broken, wait in a line of their own, which gets no more
/// than a fifth of the loop's time. A thousand of them hold each other up, and nobody else: the loop sleeps in between, so
/// that they do not take the processor from the rest of the process either. One alone hardly notices.
///
/// Of connections that are in the middle of long messages a few have slices (`MessagePlaces`): they are to be done before others begin.
///
/// What cannot be cut into slices (a request with a hundred thousand names) waits in a line of all loops (``LargeTurns``). One such
/// piece may take longer than its share, and then the loop begins none for as long, so that at least half of its time is for
/// others. The slow line too pays back what a long slice took beyond its share.
///
/// What is received is never lost, and in a calm hour nothing ever waits: a read costs two looks at the clock more.
///
/// Confined to its event loop.
public final class LoopTurns {
  /// Something that is done in slices.
  public protocol Work: AnyObject {
    /// Whether it waits among those that are not trusted.
    var isDistrusted: Bool { get }
    /// Does a slice. Returns whether there is more, which is then asked for later.
    func takeSlice() -> Bool
    /// No slice follows for now.
    func endSlices()
    /// Whether what follows is the rest of a long message: it may have to wait for others' (`MessagePlaces`).
    var isInLongMessage: Bool { get }
    /// It has waited for others' long enough: with the rest of this message it need not.
    func hasWaitedEnough()
    /// Nothing of it will be handled any more.
    var isOver: Bool { get }
  }

  /// Bytes of a connection's slice: what a client can make them cost (a header block that is over its limit, calls whose fields
  /// are references to long ones) is a fraction of the share.
  static let sliceSize = 512
  /// Bytes of large DATA frames that are one slice: some 50 microseconds. The more at a time, the fewer large messages are
  /// on their way at once, and the less memory they touch.
  static let bodySize = 256 << 10
  static let largeBody = 4 << 10
  /// Such a slice is of pieces, each of one stream. After the first a second may always begin, and a third only within this time.
  static let bodyTime = TimeAmount.microseconds(100)
  /// Bytes that may wait for their turn before their connection is read from no more.
  static let waitingSize = 2048

  /// How long what is received may hold up the rest in one turn of the loop.
  public struct Shares: Sendable {
    public var trusted = TimeAmount.microseconds(500)
    /// In each `interval`.
    public var distrusted = TimeAmount.microseconds(200)
    public var interval = TimeAmount.milliseconds(1)
    public init() {}
  }

  /// For the output of the loop's connections.
  let scratch = OutputScratch()
  /// For what they read past their channels.
  let input = InputScratch()
  /// Of the loop's connections.
  public let timers: LoopTimers
  /// For the large messages of the loop's connections.
  public let messages: MessageStorage
  /// Bytes that a connection may read there at a time.
  let inputShare: () -> Int
  private let eventLoop: any EventLoop
  private let shares: Shares
  /// The loop gets what time others leave over: nobody is to wait for it.
  let isServedLast: Bool
  let now: () -> NIODeadline
  private var hold: ProcessorHold
  /// When the last slice ended.
  private var handledUntil = NIODeadline.uptimeNanoseconds(0)
  private static let absence = TimeAmount.microseconds(50)
  /// How long others have had the processor because the loop gave way.
  private var givenAway = TimeAmount.zero
  private let onWaiting: (_ connections: Int, _ bytes: Int) -> Void
  private var line = Line(pause: .microseconds(20))
  private var slowLine: Line
  private var places = MessagePlaces()
  private var isLookingAtPlaces = false
  private let large: LargeTurns
  /// The undividable piece that has its turn.
  private var current: LargeTurns.Piece?
  private var isCurrentHandled = false
  /// Undividable pieces whose turn has come while the loop begins none.
  private var due = CircularBuffer<(work: any Work, piece: LargeTurns.Piece)>()
  private var isDueScheduled = false
  /// No other begins on this loop before.
  private var largeRestsUntil = NIODeadline.uptimeNanoseconds(0)
  /// How many undividable pieces of work wait.
  public private(set) var largeCount = 0
  /// Of the turn's share.
  private var used = TimeAmount.zero
  private var isTurnOpen = false

  private struct Line {
    var waiting = CircularBuffer<any Work>()
    /// Between two services, so that the loop comes to its sockets: a task that comes again at once would keep it from them.
    let pause: TimeAmount
    var isServiceScheduled = false
    /// It has had more than its share.
    var restsUntil: NIODeadline?

    init(pause: TimeAmount) { self.pause = pause }
  }

  /// - Parameters:
  ///   - large: the line that all loops share.
  ///   - isServedLast: the loop gets what time others leave over, so what is large on it waits among those that are not trusted.
  ///   - now: the clock.
  ///   - onWaiting: told how many more connections have received bytes that wait in line, or fewer, and how many bytes.
  ///   - inputShare: how many bytes a connection may read at a time, while others wait with what they have read.
  public init(
    eventLoop: any EventLoop, shares: Shares = Shares(), large: LargeTurns = LargeTurns(), isServedLast: Bool = false,
    now: @escaping () -> NIODeadline = { .now() }, yieldProcessor: (() -> Void)? = nil,
    onWaiting: @escaping (_ connections: Int, _ bytes: Int) -> Void = { _, _ in },
    inputShare: @escaping () -> Int = { .max }
  ) {
    self.inputShare = inputShare
    self.onWaiting = onWaiting
    self.eventLoop = eventLoop
    timers = LoopTimers(eventLoop: eventLoop)
    messages = MessageStorage(timers: timers)
    self.shares = shares
    self.large = large
    self.isServedLast = isServedLast
    self.now = now
    hold = ProcessorHold(since: .uptimeNanoseconds(0), now: now, yieldProcessor: yieldProcessor)
    slowLine = Line(pause: shares.interval)
  }

  /// Puts work in line that takes long and cannot be divided: a slice of it is all of it.
  ///
  /// - Parameter network: stands for the client; nil for those that are not told apart.
  public func enqueueLarge(_ work: any Work, of byteCount: Int, from network: LargeTurns.Network?) {
    largeCount += 1
    let bound = NIOLoopBound((turns: self, work: work), eventLoop: eventLoop)
    large.enqueue(byteCount, from: network, isDistrusted: isLast(work), on: eventLoop, at: now()) {
      bound.value.turns.begin(bound.value.work, as: $0)
    }
  }

  private func isLast(_ work: any Work) -> Bool { isServedLast || work.isDistrusted }

  /// The undividable piece that has its turn goes on elsewhere, on a thread of its own: those that wait behind it go on doing so
  /// until ``releaseLarge(_:took:isHandled:)``. Nil if there is none.
  public func holdLarge() -> LargeTurns.Piece? {
    defer { current = nil }
    return current
  }

  /// It is done, and took so long, without what it waited for threads.
  /// - Parameter isHandled: nothing of it was left out, because its client had gone, say: then it tells what others take.
  public func releaseLarge(_ piece: LargeTurns.Piece, took: TimeAmount, isHandled: Bool) {
    large.ended(piece, took: took, isHandled: isHandled, at: now())
  }

  /// The undividable piece that has its turn was handled here, and tells what others take. Else there may have been nothing left to do.
  public func largeIsHandled() { isCurrentHandled = true }

  private func begin(_ work: any Work, as piece: LargeTurns.Piece) {
    guard isInItsLine(work, piece) else { return }
    if piece.isDistrusted { return enqueue(Large(work, piece, self)) }
    due.append((work, piece))
    handleDue()
  }

  /// If its client has come to be trusted or distrusted meanwhile, it goes to the end of the other line.
  private func isInItsLine(_ work: any Work, _ piece: LargeTurns.Piece) -> Bool {
    if isLast(work) == piece.isDistrusted { return true }
    largeCount -= 1
    large.ended(piece, took: .zero, isHandled: false, at: now())
    enqueueLarge(work, of: piece.byteCount, from: piece.network)
    return false
  }

  private func handleDue() {
    guard !isDueScheduled, let (work, piece) = due.first else { return }
    let rest = largeRestsUntil - now()
    guard rest <= .zero else {
      isDueScheduled = true
      eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: rest) { [self] in
        isDueScheduled = false
        handleDue()
      }
      return
    }
    due.removeFirst()
    guard isInItsLine(work, piece) else { return handleDue() }
    let took = handle(work, as: piece)
    if took > shares.trusted { largeRestsUntil = now() + (took - shares.trusted) }
    handleDue()
  }

  /// Returns how long that took here.
  @discardableResult
  private func handle(_ work: any Work, as piece: LargeTurns.Piece) -> TimeAmount {
    largeCount -= 1
    current = piece
    isCurrentHandled = false
    let start = worked
    _ = work.takeSlice()
    work.endSlices()
    let took = worked - start
    // Else it goes on elsewhere.
    if holdLarge() != nil { large.ended(piece, took: took, isHandled: isCurrentHandled, at: now()) }
    return took
  }

  /// An undividable piece in the slow line.
  private final class Large: Work {
    private let work: any Work
    private let piece: LargeTurns.Piece
    private let turns: LoopTurns

    init(_ work: any Work, _ piece: LargeTurns.Piece, _ turns: LoopTurns) {
      self.work = work
      self.piece = piece
      self.turns = turns
    }

    var isDistrusted: Bool { true }

    func takeSlice() -> Bool {
      turns.handle(work, as: piece)
      return false
    }

    func endSlices() {}
  }

  /// A connection has bytes that wait in line, after another number of them.
  func waits(_ bytes: Int, before: Int) {
    if bytes != before { onWaiting((bytes > 0 ? 1 : 0) - (before > 0 ? 1 : 0), bytes - before) }
  }

  /// How many wait for their next slice.
  public var waitingCount: (trusted: Int, distrusted: Int) {
    (line.waiting.count + places.waitingCount, slowLine.waiting.count)
  }

  /// Begins with the work at once, if it is trusted, the turn has time left and nobody waits.
  ///
  /// - Parameter work: is not in line.
  func begin(_ work: any Work) {
    openTurn()
    if !work.isDistrusted && line.waiting.isEmpty && used < shares.trusted && mayGoOn(work) {
      var spent = used
      let hasMore = slices(of: work, spending: &spent, while: { $0 < shares.trusted })
      used = spent
      guard hasMore else { return }
    }
    enqueue(work)
  }

  /// Puts work in line that is not there.
  public func enqueue(_ work: any Work) {
    guard mayGoOn(work) else {
      places.wait(work, since: now())
      return givePlaces()
    }
    let path = work.isDistrusted ? \LoopTurns.slowLine : \LoopTurns.line
    self[keyPath: path].waiting.append(work)
    schedule(path)
  }

  /// Does a slice, and more as long as `goesOn` with what has been spent. Returns whether there is more.
  private func slices(
    of work: any Work, spending spent: inout TimeAmount, while goesOn: (TimeAmount) -> Bool
  ) -> Bool {
    let before = spent
    let start = worked
    var hasMore: Bool
    repeat {
      hasMore = work.takeSlice()
      let time = now()
      spent = before + (time - givenAway - start)
      handledUntil = time
      // A few acknowledgements are done soon, and to go on with them later, with cold caches, costs more than others gain.
      if hasMore || !isCalm(work) || time - hold.heldSince >= shares.trusted { giveWay(at: time) }
    } while hasMore && !work.isDistrusted && goesOn(spent) && mayGoOn(work)
    work.endSlices()
    if !hasMore { places.rests(work, at: handledUntil) }
    spent = before + (worked - start)
    return hasMore
  }

  /// All that the loop was given so far is done, as far as it is known here, and none of it was of a client that others are to be kept
  /// from: then it keeps its processor for a share, and not for a tenth of a millisecond only.
  private func isCalm(_ work: any Work) -> Bool {
    line.waiting.isEmpty && slowLine.waiting.isEmpty && due.isEmpty && !isServedLast && !work.isDistrusted
  }

  /// Whether nobody else's long message comes before what follows of this work. Those that are served last hold up each other only.
  func mayGoOn(_ work: any Work) -> Bool { !work.isInLongMessage || isLast(work) || places.take(work, at: now) }

  /// The work's long message is there, or is one of which more is to follow.
  func noteMessage(of work: any Work, isWhole: Bool) { places.note(work, isWhole: isWhole, at: now) }

  /// The work's long message is handed over, or will not be.
  func endMessage(of work: any Work) {
    if places.leave(work) { givePlaces() }
  }

  private func givePlaces() {
    let time = now()
    while let next = places.next(at: time) {
      if !next.hasPlace {
        next.work.hasWaitedEnough()
      } else if isLast(next.work) {
        // Who is served last needs none.
        _ = places.leave(next.work)
      }
      enqueue(next.work)
    }
    guard places.waitingCount > 0, !isLookingAtPlaces else { return }
    isLookingAtPlaces = true
    eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: MessagePlaces.patience) { [self] in
      isLookingAtPlaces = false
      givePlaces()
    }
  }

  /// The clock, without what others had of the processor because the loop gave way.
  private var worked: NIODeadline { now() - givenAway }

  /// Lets other threads have the processor for a moment, if they wait for it and the loop has kept it from them for long
  /// (``ProcessorHold``). O(1): a system call, each tenth of a millisecond.
  public func giveWay() { giveWay(at: now()) }

  /// Mostly it is too soon: then `hold` is only looked at, as a change of it is checked to be the only one.
  private func giveWay(at time: NIODeadline) {
    if hold.isLong(at: time) { givenAway = givenAway + hold.giveWay(at: time) }
  }

  /// The turn ends when the loop comes to its tasks.
  private func openTurn() {
    guard !isTurnOpen else { return }
    isTurnOpen = true
    used = .zero
    noteReturn()
    eventLoop.assumeIsolatedUnsafeUnchecked().execute { self.isTurnOpen = false }
  }

  /// The loop goes on. Between two turns it mostly sleeps; if it was away for no longer than a look at the sockets takes, it has held its
  /// processor all the time.
  private func noteReturn() {
    let time = now()
    if time - handledUntil > Self.absence { hold.heldSince = time }
  }

  private func schedule(_ path: ReferenceWritableKeyPath<LoopTurns, Line>) {
    guard !self[keyPath: path].isServiceScheduled else { return }
    self[keyPath: path].isServiceScheduled = true
    var pause = self[keyPath: path].pause
    if let rests = self[keyPath: path].restsUntil { pause = max(pause, rests - now()) }
    eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: pause) { [self] in
      serve(path)
    }
  }

  /// A slice for each that waits, in turn, until the share is used up.
  private func serve(_ path: ReferenceWritableKeyPath<LoopTurns, Line>) {
    self[keyPath: path].restsUntil = nil
    if !isTurnOpen { noteReturn() }
    let share = path == \LoopTurns.slowLine ? shares.distrusted : shares.trusted
    var spent = TimeAmount.zero
    while spent < share, let work = self[keyPath: path].waiting.popFirst() {
      if slices(of: work, spending: &spent, while: { _ in false }) { enqueue(work) }
    }
    if spent > share, path == \LoopTurns.slowLine {
      let factor = shares.interval.nanoseconds / shares.distrusted.nanoseconds
      self[keyPath: path].restsUntil = now() + .nanoseconds((spent - share).nanoseconds * factor)
    }
    // Only now: who comes again meanwhile is not to be served before the line has rested.
    self[keyPath: path].isServiceScheduled = false
    if !self[keyPath: path].waiting.isEmpty { schedule(path) }
  }
}

extension LoopTurns.Work {
  public var isInLongMessage: Bool { false }
  public func hasWaitedEnough() {}
  public var isOver: Bool { false }
}
