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
///
/// What is received is never lost, and in a calm hour nothing ever waits: a read costs two looks at the clock more.
///
/// Confined to its event loop.
public final class LoopTurns {
  /// Something that is done in slices.
  public protocol Work: AnyObject {
    /// Does a slice. Returns whether there is more, which is then asked for later.
    func takeSlice() -> Bool
    /// No slice follows for now.
    func endSlices()
  }

  /// Bytes of a connection's slice: what a client can make them cost (a header block that is over its limit, calls) is a
  /// fraction of the share.
  static let sliceSize = 2048

  private let eventLoop: any EventLoop
  private let share: TimeAmount
  private let now: () -> NIODeadline
  private var line = CircularBuffer<any Work>()
  private var used = TimeAmount.zero
  private var isTurnOpen = false
  private var isServiceScheduled = false

  /// - Parameters:
  ///   - share: how long what is received may hold up the rest in one turn of the loop.
  ///   - now: the clock.
  public init(
    eventLoop: any EventLoop, share: TimeAmount = .microseconds(500), now: @escaping () -> NIODeadline = { .now() }
  ) {
    self.eventLoop = eventLoop
    self.share = share
    self.now = now
  }

  /// How many wait for their next slice.
  public var waitingCount: Int { line.count }

  /// Begins with the work at once, if the turn has time left and nobody waits.
  ///
  /// - Parameter work: is not in line.
  func begin(_ work: any Work) {
    openTurn()
    if line.isEmpty && used < share {
      guard slices(of: work, while: { used < share }) else { return }
    }
    enqueue(work)
  }

  /// Puts work in line that is not there.
  public func enqueue(_ work: any Work) {
    line.append(work)
    scheduleService()
  }

  /// Does a slice, and more as long as `goesOn`. Returns whether there is more.
  private func slices(of work: any Work, while goesOn: () -> Bool) -> Bool {
    let before = used
    let start = now()
    func account() { used = before + (now() - start) }
    var hasMore: Bool
    repeat {
      hasMore = work.takeSlice()
      account()
    } while hasMore && goesOn()
    work.endSlices()
    account()
    return hasMore
  }

  /// The turn ends when the loop comes to its tasks.
  private func openTurn() {
    guard !isTurnOpen else { return }
    isTurnOpen = true
    used = .zero
    eventLoop.assumeIsolatedUnsafeUnchecked().execute { self.isTurnOpen = false }
  }

  /// In a moment, not at once: a task that comes again at once would keep the loop from its sockets.
  private func scheduleService() {
    guard !isServiceScheduled else { return }
    isServiceScheduled = true
    eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: .microseconds(20)) { [self] in
      isServiceScheduled = false
      serve()
    }
  }

  private func serve() {
    isTurnOpen = false
    openTurn()
    while used < share, let work = line.popFirst() {
      if slices(of: work, while: { false }) { line.append(work) }
    }
    if !line.isEmpty { scheduleService() }
  }
}
