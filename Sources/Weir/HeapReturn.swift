internal import Foundation
internal import Logging

#if canImport(Glibc)
  internal import Glibc
#endif

/// Gives memory back to the system after many connections, or large requests, have gone.
///
/// glibc keeps what is freed: blocks below its threshold stay in arenas until their topmost block is free, and the threshold
/// grows with every large block that is freed, up to 32 MB. After 2,000 hostile connections 470 MB stayed of 40 needed.
/// So the threshold is fixed, which keeps large blocks out of the arenas, and after a drop the arenas are trimmed.
///
/// Trimming holds an arena's lock, and whoever allocates there waits, so it is done seldom: when most of what came has gone. And once
/// more when nothing else has gone since: what was kept for those who have gone is let go of later than they, by
/// several threads.
struct HeapReturn {
  /// What there is that takes memory, and goes.
  struct Reading {
    var connections = 0
    /// Held for clients.
    var bytes = 0
    /// Kinds of proxies that tables are made for: these go a minute after their last proxy.
    var classes = 0

    /// Less than this of each is not worth a trim.
    static let few = Reading(connections: 100, bytes: 8 << 20, classes: 16)
  }
  static let interval = Duration.seconds(3)

  private var peak = Reading()
  private var closed = (last: 0, atTrim: 0)
  private var last = Reading()
  /// After a drop, until memory has been given back once more.
  private var isSettling = false

  /// Called every now and then with what there is.
  /// - Parameter closed: connections that have closed since the process began.
  /// - Returns: whether so much has gone since the last time that memory should be given back: most of what there was at
  ///   once, or, where connections came and went, when that is over; and once more at the first reading since which nothing else has gone.
  mutating func hasDropped(to reading: Reading, closed now: Int) -> Bool {
    let isCalm = now == closed.last
    let isAlmostCalm = now - closed.last < Reading.few.connections / 10
    closed.last = now
    var isDrop = isCalm && now - closed.atTrim > Reading.few.connections
    for quantity in [\Reading.connections, \Reading.bytes, \Reading.classes] {
      let current = reading[keyPath: quantity]
      peak[keyPath: quantity] = max(peak[keyPath: quantity], current)
      isDrop = isDrop || peak[keyPath: quantity] - current > max(Reading.few[keyPath: quantity], current)
    }
    let goesOn = reading.classes < last.classes || last.bytes - reading.bytes > Reading.few.bytes
    last = reading
    guard isDrop else {
      // Caches have been looked at twice since something went: they have forgotten it (`forgetUnused`).
      let hasSettled = isSettling && isAlmostCalm && !goesOn
      if hasSettled { isSettling = false }
      return hasSettled
    }
    peak = reading
    if isCalm { closed.atTrim = now }
    isSettling = true
    return true
  }

  #if canImport(Glibc)
    // Of <malloc.h>, which Swift's view of glibc does not have; hence by their names.
    private typealias Trim = @convention(c) (Int) -> CInt
    private typealias Option = @convention(c) (CInt, CInt) -> CInt
    private static func symbol<Function>(_ name: String, as: Function.Type) -> Function? {
      dlsym(nil, name).map { unsafeBitCast($0, to: Function.self) }
    }

    /// Blocks of a mebibyte and more come from the system and go back to it. For the whole process.
    static func keepLargeBlocksApart() {
      // M_MMAP_THRESHOLD is -3; to set it ends its growing.
      _ = symbol("mallopt", as: Option.self)?(-3, 1 << 20)
    }

    /// Whether the arenas' ends are as glibc has them by itself, and not as somebody has told it.
    private static let areEndsUsual: Bool = {
      let variables = ProcessInfo.processInfo.environment
      let tunables = variables["GLIBC_TUNABLES"] ?? ""
      return variables["MALLOC_TOP_PAD_"] == nil && variables["MALLOC_TRIM_THRESHOLD_"] == nil
        && !tunables.contains("malloc.top_pad") && !tunables.contains("malloc.trim_threshold")
    }()

    /// While `action` runs, arenas keep nothing that is free at their ends. Else they keep 128 KiB, and `malloc_trim` leaves that
    /// there in all of them but the main one. Not to be called side by side with itself.
    static func withEndsGivenBack(_ action: () -> Void) {
      func keep(_ size: CInt) {
        // M_TRIM_THRESHOLD and M_TOP_PAD.
        for option: CInt in [-1, -2] { _ = symbol("mallopt", as: Option.self)?(option, size) }
      }
      if areEndsUsual { keep(0) }
      action()
      if areEndsUsual { keep(128 << 10) }
    }

    static func trim() { _ = symbol("malloc_trim", as: Trim.self)?(0) }
  #else
    static func keepLargeBlocksApart() {}
    static func trim() {}
  #endif
}
