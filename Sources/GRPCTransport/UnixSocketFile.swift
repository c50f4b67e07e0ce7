internal import NIOCore

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Why a Unix socket cannot be listened on.
public struct UnixSocketError: Error, Sendable, CustomStringConvertible {
  public enum Code: Sendable, Hashable {
    /// The path does not fit into a `sockaddr_un` (107 bytes), or is empty.
    case badPath
    /// There is a file of that name that is no socket; it is left alone.
    case notASocket
    /// Somebody listens there.
    case inUse
    /// The system refused; the message says what.
    case system
  }

  public let code: Code
  public let message: String
  public var description: String { message }
}

/// The file by which a listening Unix socket is found.
///
/// NIO's own way to bind (`bind`, then `listen`, in one) gives the file the permissions that the umask leaves, and would
/// have it corrected only when clients can connect already. Here the socket is bound, its file gets its permissions, and
/// only then it listens: until that, connecting is refused whatever the file's permissions are (connect(2), ECONNREFUSED).
/// The umask, which belongs to the whole process, stays as it is.
struct UnixSocketFile: Sendable {
  let path: String
  /// Which file it is: somebody else's of the same name is not removed.
  private let identity: Identity

  /// An inode's number alone is given to the next file at once.
  private struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64
    var seconds: Int
    var nanoseconds: Int

    init(_ status: stat) {
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
      (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
  }

  /// Longest path: `sun_path` without its NUL.
  static let longestPath = 107

  /// Listens at a path. A socket file that is there already is replaced if nobody listens on it.
  ///
  /// - Returns: the descriptor, whose owner the caller is, and the file.
  static func listen(
    at path: String, mode: UInt16, backlog: Int32
  ) throws(UnixSocketError) -> (descriptor: CInt, file: UnixSocketFile) {
    var address = try Self.address(of: path)
    // Blocks: its thread waits in accept(2).
    let descriptor = try makeSocket(blocks: true)
    do throws(UnixSocketError) {
      // Once more after a left-over file is gone; who takes the name in between is in the way as anybody else.
      var result = withPointer(&address) { bind(descriptor, $0, $1) }
      if result != 0, errno == EADDRINUSE {
        try removeLeftOver(path, &address)
        result = withPointer(&address) { bind(descriptor, $0, $1) }
      }
      guard result == 0 else { throw failure(path, "bind") }
      guard chmod(path, mode_t(mode)) == 0, let status = status(path) else {
        let error = failure(path, "chmod")
        unlink(path)
        throw error
      }
      let file = UnixSocketFile(path: path, identity: Identity(status))
      guard listenSystem(descriptor, backlog) == 0 else {
        let error = failure(path, "listen")
        file.remove()
        throw error
      }
      return (descriptor, file)
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Takes the file away, if it is still the one that was made.
  func remove() {
    guard let now = Self.status(path), Identity(now) == identity else { return }
    unlink(path)
  }

  /// Removes a socket file that nobody listens on.
  private static func removeLeftOver(_ path: String, _ address: inout sockaddr_un) throws(UnixSocketError) {
    guard let found = status(path) else { return }
    guard found.st_mode & S_IFMT == S_IFSOCK else {
      throw UnixSocketError(code: .notASocket, message: "\(path): there is a file of that name, and it is no socket")
    }
    let probe = try makeSocket(blocks: false)
    defer { close(probe) }
    guard withPointer(&address, { connect(probe, $0, $1) }) != 0 else {
      throw UnixSocketError(code: .inUse, message: "\(path): another process listens there")
    }
    switch errno {
    case ECONNREFUSED:
      // The same file still: another that starts at the same time may have replaced it.
      UnixSocketFile(path: path, identity: Identity(found)).remove()
    case ENOENT: return
    case EAGAIN, EPROTOTYPE:
      // Its queue is full, or it is a socket of another type: somebody has it.
      throw UnixSocketError(code: .inUse, message: "\(path): another process listens there")
    default: throw failure(path, "connect")
    }
  }

  private static func makeSocket(blocks: Bool) throws(UnixSocketError) -> CInt {
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      let nonBlocking = Int32(SOCK_NONBLOCK.rawValue)
    #else
      let type = SOCK_STREAM | SOCK_CLOEXEC
      let nonBlocking = SOCK_NONBLOCK
    #endif
    let descriptor = socket(AF_UNIX, blocks ? type : type | nonBlocking, 0)
    guard descriptor >= 0 else { throw failure("a Unix socket", "socket") }
    return descriptor
  }

  /// NIO's own stops at 103 bytes, which is what other systems have.
  static func address(of path: String) throws(UnixSocketError) -> sockaddr_un {
    guard (1...longestPath).contains(path.utf8.count), !path.utf8.contains(0) else {
      throw UnixSocketError(
        code: .badPath,
        message: "\(path): the path of a Unix socket has 1 to \(longestPath) bytes, and this one has \(path.utf8.count)"
      )
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return address
  }

  private static func withPointer(
    _ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
  ) -> CInt {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }

  private static func status(_ path: String) -> stat? {
    var raw = stat()
    return lstat(path, &raw) == 0 ? raw : nil
  }

  private static func failure(_ path: String, _ call: String) -> UnixSocketError {
    UnixSocketError(code: .system, message: "\(path): \(call): \(String(cString: strerror(errno)))")
  }

}

/// The system's `listen`, under a name that the types' own `listen` does not hide.
func listenSystem(_ descriptor: CInt, _ backlog: Int32) -> CInt { listen(descriptor, backlog) }

extension SocketAddress {
  /// - Throws: ``UnixSocketError`` when the path does not fit.
  init(unixSocket path: String) throws(UnixSocketError) { self.init(try UnixSocketFile.address(of: path)) }
}
