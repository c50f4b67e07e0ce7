#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A call to the system that failed.
struct SystemError: Error, CustomStringConvertible {
  var call: String
  var code: Int32

  init(_ call: String) {
    self.call = call
    code = errno
  }

  var isAbsence: Bool { code == ENOENT || code == ENOTDIR }
  /// The kernel's limit of watches.
  var isOutOfWatches: Bool { code == ENOSPC }

  /// As the system puts it: `Permission denied`.
  var reason: String { String(cString: strerror(code)) }
  var description: String { "\(call): \(reason)" }
}

/// What the manifest source asks of the file system.
enum FileSystem {
  /// Which file it is, and whether it has been written to.
  struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    var modifiedSeconds: Int
    var modifiedNanoseconds: Int
  }

  enum Kind { case file, directory, link, other }

  struct Status {
    var kind: Kind
    var identity: Identity
    var links: Int

    var directory: DirectoryIdentity { DirectoryIdentity(device: identity.device, inode: identity.inode) }
  }

  struct DirectoryIdentity: Hashable {
    var device: UInt64
    var inode: UInt64
  }

  static func status(_ path: String, followingLinks: Bool = true) -> Result<Status, SystemError> {
    var raw = stat()
    let result = followingLinks ? stat(path, &raw) : lstat(path, &raw)
    return result == 0 ? .success(Status(raw)) : .failure(SystemError("stat"))
  }

  /// An absolute path that is the same for every way to write it: `m`, `./m/`, `../x/m`, `/x/m`, and by way of linked
  /// directories. The last name stays as it is, also if it is a link, for a link that is turned to another directory is
  /// still the same place. Where a directory above is not there, the rest is taken as written.
  static func stablePath(_ path: String) -> String {
    if let name = path.split(separator: "/").last, name != ".", name != ".." {
      let parent = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
      let directory = realPath(parent) ?? (parent == path ? parent : stablePath(parent))
      return directory == "/" ? "/\(name)" : "\(directory)/\(name)"
    }
    return realPath(path) ?? path
  }

  private static func realPath(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(validatingCString: resolved)
  }

  /// The names in a directory, sorted, without `.` and `..`. Names that are not UTF-8 are left out.
  static func names(in directory: String) -> Result<[String], SystemError> {
    guard let stream = opendir(directory) else { return .failure(SystemError("opendir")) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
      }
      if let name, name != ".", name != ".." { names.append(name) }
    }
    return .success(names.sorted())
  }

  enum Reading {
    case bytes([UInt8])
    case absent
    /// A link whose target is not there.
    case dangling
    case refused(String)
  }

  /// Reads a whole regular file of at most `limit` bytes, and tells if it changed meanwhile.
  static func read(_ path: String, limit: Int) -> Reading {
    // Not blocking, for a pipe of this name would hold us for ever.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      let error = SystemError("open")
      guard error.isAbsence else { return .refused("cannot be read: \(error.reason)") }
      guard case .success(let status) = status(path, followingLinks: false), status.kind == .link else {
        return .absent
      }
      return .dangling
    }
    defer { close(file) }
    var raw = stat()
    for _ in 0..<3 {
      guard fstat(file, &raw) == 0 else { return .refused("cannot be read: \(SystemError("fstat").reason)") }
      let before = Status(raw)
      guard before.kind == .file else { return .refused("is not a regular file") }
      guard before.identity.size <= limit else { return .refused("is larger than \(limit >> 20) MiB") }
      guard lseek(file, 0, SEEK_SET) == 0 else { return .refused("cannot be read: \(SystemError("lseek").reason)") }
      var count = 0
      var failure: SystemError?
      let capacity = Int(before.identity.size) + 1
      let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
        while count < capacity {
          let got = readBytes(file, buffer.baseAddress! + count, capacity - count)
          if got < 0 {
            if errno == EINTR { continue }
            failure = SystemError("read")
            break
          }
          if got == 0 { break }
          count += got
        }
        initialized = count
      }
      if let failure { return .refused("cannot be read: \(failure.reason)") }
      guard fstat(file, &raw) == 0 else { return .refused("cannot be read: \(SystemError("fstat").reason)") }
      if Status(raw).identity == before.identity, count == Int(before.identity.size) {
        return .bytes(bytes)
      }
    }
    return .refused("changes while it is read")
  }
}

/// The system's `read`, under a name that `FileSystem.read` does not hide.
private func readBytes(_ file: Int32, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
  read(file, buffer, count)
}

extension FileSystem.Status {
  fileprivate init(_ raw: stat) {
    switch raw.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .link
    default: kind = .other
    }
    identity = FileSystem.Identity(
      device: UInt64(raw.st_dev), inode: UInt64(raw.st_ino), size: Int64(raw.st_size),
      modifiedSeconds: raw.st_mtim.tv_sec, modifiedNanoseconds: raw.st_mtim.tv_nsec)
    links = Int(raw.st_nlink)
  }
}
