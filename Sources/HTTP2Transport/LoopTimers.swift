public import NIOCore

/// The timers of the connections of one event loop.
///
/// Each connection has several, and some calls and streams have one; nearly all are called off before they are due. NIO looks through
/// all tasks of a loop to call off one, and keeps the room of the most that there ever were: with some thousand connections that
/// come and go, that is a quarter of a megabyte read for each that goes. Here a timer knows its place in a heap, so that
/// setting one and calling it off are O(log timers), and the loop has one task for all of them.
///
/// Confined to its event loop.
public final class LoopTimers {
  /// Something that happens at a time, unless it is called off.
  public final class Timer {
    fileprivate var work: (() -> Void)?
    /// Nil if it is done or was called off.
    fileprivate var timers: LoopTimers?
    fileprivate var place = 0
    /// Of those of one deadline the first that was set is the first to happen.
    fileprivate let number: UInt64

    fileprivate init(_ work: @escaping () -> Void, _ timers: LoopTimers) {
      self.work = work
      self.timers = timers
      number = timers.nextNumber
    }

    /// Does not happen any more. What the work holds is let go. O(log timers).
    public func cancel() {
      timers?.remove(self)
    }
  }

  private struct Entry {
    var deadline: NIODeadline
    var timer: Timer

    static func < (one: Entry, other: Entry) -> Bool {
      one.deadline == other.deadline ? one.timer.number < other.timer.number : one.deadline < other.deadline
    }
  }

  private let eventLoop: any EventLoop
  /// No entry is due before that at half its index.
  private var heap: [Entry] = []
  /// The loop's task: not after the first of the heap, and maybe before it.
  private var task: (at: NIODeadline, scheduled: Scheduled<Void>)?
  private var isHandling = false
  private var nextNumber: UInt64 = 0

  public init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  /// How many are set.
  var count: Int { heap.count }
  /// For how many there is room.
  var capacity: Int { heap.capacity }

  /// Sets a timer, which holds on to the work until that is done or called off.
  public func schedule(in delay: TimeAmount, _ work: @escaping () -> Void) -> Timer {
    let timer = Timer(work, self)
    nextNumber += 1
    heap.append(Entry(deadline: eventLoop.now + delay, timer: timer))
    rise(heap.count - 1)
    awaitFirst()
    return timer
  }

  private func remove(_ timer: Timer) {
    let place = timer.place
    let last = heap.removeLast()
    if place < heap.count {
      heap[place] = last
      rise(place)
      sink(last.timer.place)
    }
    (timer.timers, timer.work) = (nil, nil)
    if heap.capacity > 4 * heap.count + 64 { giveRoomBack() }
    // A task that comes before the first is left: to call it off and on again would cost more than to find nothing.
    if heap.isEmpty { callOff() }
  }

  private func giveRoomBack() {
    var smaller: [Entry] = []
    smaller.reserveCapacity(2 * heap.count)
    smaller.append(contentsOf: heap)
    heap = smaller
  }

  // MARK: The loop's task

  private func awaitFirst() {
    guard !isHandling, let first = heap.first?.deadline, task.map({ first < $0.at }) ?? true else { return }
    callOff()
    let scheduled = eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(deadline: first) { self.handle() }
    task = (first, scheduled)
  }

  private func callOff() {
    task?.scheduled.cancel()
    task = nil
  }

  /// Does what is due. What is set meanwhile has its turn in another task of the loop.
  private func handle() {
    task = nil
    isHandling = true
    let now = eventLoop.now
    let end = nextNumber
    while let first = heap.first, first.deadline <= now, first.timer.number < end {
      let work = first.timer.work
      remove(first.timer)
      work?()
    }
    isHandling = false
    awaitFirst()
  }

  // MARK: The heap

  private func rise(_ place: Int) {
    var place = place
    let entry = heap[place]
    while place > 0 {
      let above = (place - 1) / 2
      guard entry < heap[above] else { break }
      put(heap[above], at: place)
      place = above
    }
    put(entry, at: place)
  }

  private func sink(_ place: Int) {
    var place = place
    let entry = heap[place]
    while true {
      var below = 2 * place + 1
      guard below < heap.count else { break }
      if below + 1 < heap.count, heap[below + 1] < heap[below] { below += 1 }
      guard heap[below] < entry else { break }
      put(heap[below], at: place)
      place = below
    }
    put(entry, at: place)
  }

  private func put(_ entry: Entry, at place: Int) {
    heap[place] = entry
    entry.timer.place = place
  }
}
