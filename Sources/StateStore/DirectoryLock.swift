#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A directory that this process alone uses, by `flock` on a file in it. The kernel lets go of it when the process ends,
/// however it ends. Held until the last reference goes.
package final class DirectoryLock: Sendable {
  private let descriptor: Int32
  private let path: String

  /// Makes the directory, too, if it is not there.
  ///
  /// - Parameter file: the name of the file; each store of a directory has its own.
  /// - Throws: `StoreError`.
  package init(directory: String, file: String = "lock") throws(StoreError) {
    try Self.create(directory)
    path = "\(directory)/\(file)"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError(.directoryUnusable, "the state directory \(directory) cannot be written: \(Self.reason)")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      let reason = Self.reason
      close(descriptor)
      throw isHeld
        ? StoreError(
          .inUse, "the state directory \(directory) is in use by another process: stop that one, or use another --state"
        )
        : StoreError(.directoryUnusable, "the state directory \(directory) cannot be locked: \(reason)")
    }
  }

  deinit { close(descriptor) }

  /// Whether the file is still the one of its name: whoever deletes it, lets others in.
  package var isCurrent: Bool {
    var raw = stat()
    guard fstat(descriptor, &raw) == 0 else { return false }
    return FileIdentity(raw) == FileIdentity(ofFileAt: path)
  }

  /// Returns when the names in the directory are on the disk: syncing a new file does not sync its name.
  ///
  /// - Throws: `StoreError`.
  package static func sync(directory: String) throws(StoreError) {
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw StoreError(.directoryUnusable, "the state directory \(directory) cannot be opened: \(reason)")
    }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw StoreError(.failed, "the state directory \(directory) cannot be synced: \(reason)")
    }
  }

  private static var reason: String { String(cString: strerror(errno)) }

  /// Makes the directory and those above it.
  private static func create(_ directory: String) throws(StoreError) {
    var path = directory.hasPrefix("/") ? "/" : ""
    for part in directory.split(separator: "/") {
      path += path.isEmpty || path == "/" ? String(part) : "/\(part)"
      guard mkdir(path, 0o700) == 0 || errno == EEXIST || errno == EISDIR else {
        throw StoreError(.directoryUnusable, "the state directory \(directory) cannot be made: \(reason)")
      }
    }
  }
}

/// Which file it is, whatever its name.
struct FileIdentity: Hashable {
  private var device: UInt64
  private var inode: UInt64

  /// Nil if there is no file of this name.
  init?(ofFileAt path: String) {
    var raw = stat()
    guard stat(path, &raw) == 0 else { return nil }
    self.init(raw)
  }

  fileprivate init(_ raw: stat) {
    device = UInt64(raw.st_dev)
    inode = UInt64(raw.st_ino)
  }
}
