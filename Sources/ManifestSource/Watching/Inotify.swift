#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Linux's inotify (inotify(7)): one descriptor, what changed in the directories that it watches.
///
/// Unchecked: one thread owns it and calls everything but `wake`, which any thread may call (a write to a pipe). The
/// descriptors are closed when the last reference goes.
final class Inotify: @unchecked Sendable {
  struct Event {
    /// -1 where the queue overflowed.
    var watch: Int32
    var changes: Changes
    /// Empty where the event concerns the watched thing itself.
    var name: String
  }

  struct Changes: OptionSet {
    var rawValue: UInt32

    static let closedAfterWriting = Changes(rawValue: 0x8)
    static let attributes = Changes(rawValue: 0x4)
    static let movedFrom = Changes(rawValue: 0x40)
    static let movedTo = Changes(rawValue: 0x80)
    static let created = Changes(rawValue: 0x100)
    static let deleted = Changes(rawValue: 0x200)
    static let deletedItself = Changes(rawValue: 0x400)
    static let movedItself = Changes(rawValue: 0x800)
    static let unmounted = Changes(rawValue: 0x2000)
    static let overflowed = Changes(rawValue: 0x4000)
    /// The watch is gone.
    static let ignored = Changes(rawValue: 0x8000)
    /// Flags for `watch`, and of events.
    static let onlyDirectory = Changes(rawValue: 0x100_0000)
    static let notFollowing = Changes(rawValue: 0x200_0000)
    static let isDirectory = Changes(rawValue: 0x4000_0000)

    static let ofDirectory: Changes = [
      .closedAfterWriting, .attributes, .movedFrom, .movedTo, .created, .deleted, .deletedItself, .movedItself,
      .onlyDirectory,
    ]
    static let ofFile: Changes = [.closedAfterWriting, .attributes, .deletedItself, .movedItself]
    static let ofLink: Changes = [.attributes, .deletedItself, .movedItself, .notFollowing]
  }

  private let descriptor: Int32
  private let wakeRead: Int32
  private let wakeWrite: Int32
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)

  init() throws {
    descriptor = inotify_init1(Int32(0x8_0800))  // IN_CLOEXEC | IN_NONBLOCK
    guard descriptor >= 0 else { throw SystemError("inotify_init1") }
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else {
      let error = SystemError("pipe")
      close(descriptor)
      throw error
    }
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    wakeRead = ends[0]
    wakeWrite = ends[1]
  }

  deinit {
    close(descriptor)
    close(wakeRead)
    close(wakeWrite)
    buffer.deallocate()
  }

  /// Watches a path. The same directory or file under another path gives the same number again.
  func watch(_ path: String, _ changes: Changes) -> Result<Int32, SystemError> {
    let watch = inotify_add_watch(descriptor, path, changes.rawValue)
    return watch >= 0 ? .success(watch) : .failure(SystemError("inotify_add_watch"))
  }

  func unwatch(_ watch: Int32) { _ = inotify_rm_watch(descriptor, watch) }

  /// Waits for events, for `wake`, or for the time to pass (nil: for ever), and gives what has happened by then.
  func wait(milliseconds: Int?) -> [Event] {
    var descriptors = [
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0),
    ]
    let timeout = milliseconds.map { Int32(clamping: max(0, $0)) } ?? -1
    guard poll(&descriptors, 2, timeout) > 0 else { return [] }
    if descriptors[1].revents != 0 {
      var bytes: [UInt8] = Array(repeating: 0, count: 64)
      while read(wakeRead, &bytes, bytes.count) > 0 {}
    }
    return descriptors[0].revents != 0 ? takeEvents() : []
  }

  /// Ends a `wait`, now or the next one. Any thread.
  func wake() {
    var byte: UInt8 = 1
    // A full pipe has woken already.
    _ = write(wakeWrite, &byte, 1)
  }

  /// With a name of 255 characters.
  private static let largestEvent = 16 + 256

  private func takeEvents() -> [Event] {
    var events: [Event] = []
    // Whatever more comes meanwhile is for the next time.
    for _ in 0..<16 {
      let count = read(descriptor, buffer.baseAddress!, buffer.count)
      guard count > 0 else { break }
      var offset = 0
      // struct inotify_event: int wd; uint32_t mask, cookie, len; char name[len], padded with NUL.
      while offset + 16 <= count {
        let watch = buffer.load(fromByteOffset: offset, as: Int32.self)
        let mask = buffer.load(fromByteOffset: offset + 4, as: UInt32.self)
        let length = Int(buffer.load(fromByteOffset: offset + 12, as: UInt32.self))
        guard offset + 16 + length <= count else { break }
        let name = buffer[(offset + 16)..<(offset + 16 + length)].prefix { $0 != 0 }
        events.append(
          Event(watch: watch, changes: Changes(rawValue: mask), name: String(decoding: name, as: UTF8.self)))
        offset += 16 + length
      }
      // There was room for one more, so there is none.
      if buffer.count - count > Self.largestEvent { break }
    }
    return events
  }
}
