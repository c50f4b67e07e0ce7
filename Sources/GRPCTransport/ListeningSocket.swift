internal import NIOCore

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A socket that listens. Whoever has it closes it, once.
struct ListeningSocket: Sendable {
  let descriptor: CInt
  let address: SocketAddress
  /// Of a Unix socket.
  let file: UnixSocketFile?

  /// - Throws: the system's error (`IOError`), or ``UnixSocketError``.
  static func listen(at address: ListenAddress, unixMode: UInt16, backlog: Int32) throws -> ListeningSocket {
    switch address {
    case .tcp(let host, let port): try listen(host: host, port: port, backlog: backlog)
    case .unix(let path):
      try listen(path: path, mode: unixMode, backlog: backlog)
    }
  }

  private static func listen(path: String, mode: UInt16, backlog: Int32) throws -> ListeningSocket {
    let address = try SocketAddress(unixSocket: path)
    let (descriptor, file) = try UnixSocketFile.listen(at: path, mode: mode, backlog: backlog)
    return ListeningSocket(descriptor: descriptor, address: address, file: file)
  }

  private static func listen(host: String, port: Int, backlog: Int32) throws -> ListeningSocket {
    let address = try SocketAddress.makeAddressResolvingHost(host, port: port)
    #if canImport(Glibc)
      let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    #else
      let type = SOCK_STREAM | SOCK_CLOEXEC
    #endif
    let descriptor = try checked("socket") { socket(CInt(address.protocol.rawValue), type, 0) }
    do {
      var on: CInt = 1
      try checked("setsockopt") {
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
      }
      // Connections take it over. Before `listen`, as the window's scale goes by it (tcp(7)).
      var size = receiveBuffer
      try checked("setsockopt") {
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
      }
      try checked("bind") { address.withSockAddr { bind(descriptor, $0, socklen_t($1)) } }
      try checked("listen") { listenSystem(descriptor, backlog) }
      return ListeningSocket(descriptor: descriptor, address: try name(of: descriptor), file: nil)
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Bytes that the system may keep of what a client has sent and was not read from its connection; the system doubles it for its
  /// own needs. Left to itself it keeps up to six megabytes each, and a flood on connections that are served last would fill the
  /// memory of the machine. Enough for 25 MB/s at 10 ms of round trip.
  private static let receiveBuffer: CInt = 128 << 10

  /// With the port that the system has chosen.
  private static func name(of descriptor: CInt) throws -> SocketAddress {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    try checked("getsockname") {
      withUnsafeMutablePointer(to: &storage) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
      }
    }
    guard let address = SocketAddress(storage) else { throw IOError(errnoCode: EAFNOSUPPORT, reason: "getsockname") }
    return address
  }

  @discardableResult
  private static func checked(_ call: String, _ body: () -> CInt) throws -> CInt {
    let result = body()
    guard result >= 0 else { throw IOError(errnoCode: errno, reason: call) }
    return result
  }
}

extension SocketAddress {
  /// An address of the internet; others have none here.
  init?(_ storage: sockaddr_storage) {
    let address: SocketAddress? = withUnsafeBytes(of: storage) { bytes in
      switch CInt(storage.ss_family) {
      case AF_INET: SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self), host: "")
      case AF_INET6: SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self), host: "")
      default: nil
      }
    }
    guard let address else { return nil }
    self = address
  }
}
