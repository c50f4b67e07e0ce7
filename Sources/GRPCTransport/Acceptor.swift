internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Accepts connections, on a thread of its own, and gives each to an event loop.
///
/// Which loop depends on who connects. A client from an address where rules were just broken (``Offenders``) gets a loop whose
/// thread has the lowest priority, once it has said something (``WaitingRoom``), and so does one that is only to be told that it is
/// one too many: what such clients cost is paid from time that nothing else wants. NIO's own listening channel chooses the loop before it knows the address, and has
/// made half of the connection when it can be turned away; here that costs two system calls.
final class Acceptor: AcceptSystem, Sendable {
  /// How long the listener rests after a failure that nothing can be done about.
  static let rest = Duration.milliseconds(50)

  let socket: ListeningSocket
  private let core: GRPCServerCore
  private let setup: ConnectionSetup
  /// Nil if nobody is served last.
  private let room: WaitingRoom?
  private let isStopping = Atomic<Bool>(false)
  private let end: AsyncStream<Never>
  private let ended: AsyncStream<Never>.Continuation

  /// - Parameters:
  ///   - socket: closed when the acceptor has stopped.
  ///   - prepare: adds handlers before HTTP/2, such as TLS.
  init(
    _ socket: ListeningSocket, core: GRPCServerCore, group: any EventLoopGroup, lowPriorityGroup: any EventLoopGroup,
    prepare: (@Sendable (any Channel) throws -> Void)?
  ) {
    self.socket = socket
    self.core = core
    let setup = ConnectionSetup(core: core, group: group, lowPriorityGroup: lowPriorityGroup, prepare: prepare)
    self.setup = setup
    room =
      core.lowPriorityLoops.isEmpty
      ? nil
      : WaitingRoom(
        on: lowPriorityGroup.next(), patience: core.configuration.prefaceTimeout ?? .minutes(1),
        leave: { descriptor, peer, reason in
          closeSystem(descriptor)
          switch reason {
          case .gone: core.offenders.note(peer, .odd, at: .now())
          case .noRoom: core.connectionRefused(.connections)
          case .closed: break
          }
        }, serve: setup.serve)
    (end, ended) = AsyncStream.makeStream()
  }

  func start() {
    let thread = Thread { [self] in
      run()
      closeSystem(socket.descriptor)
      room?.close()
      ended.finish()
    }
    thread.stackSize = 256 << 10
    thread.start()
  }

  /// Returns when nothing is accepted any more and the socket is closed. Only after `start`.
  func stop() async {
    isStopping.store(true, ordering: .releasing)
    // Wakes the thread: `accept` fails from now on (shutdown(2), on a listening socket).
    shutdown(socket.descriptor, CInt(SHUT_RDWR))
    for await _ in end {}
  }

  /// `SCHED_BATCH` of Linux's `sched.h`, which Swift's Glibc lacks: as much of the processors as any, but the thread takes none from
  /// another because somebody connects. A storm of connections interrupted each update several times. They are accepted some
  /// at a time instead, when a processor is free or the next has had its turn.
  private static let batchClass: CInt = 3

  private func run() {
    ThreadName.set("weir-accept")
    var parameters = sched_param()
    // 0 is the calling thread. Some systems forbid it (a sandbox), and all is well without it.
    _ = sched_setscheduler(0, Self.batchClass, &parameters)
    var loop = AcceptLoop(self)
    while !isStopping.load(ordering: .acquiring) { loop.step() }
    loop.end()
  }

  // MARK: AcceptSystem

  func accept() -> Accepted {
    var peer = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let descriptor = withUnsafeMutablePointer(to: &peer) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { acceptSystem(socket.descriptor, $0, &length) }
    }
    guard descriptor >= 0 else { return .failure(errno) }
    // For programs that a process with Weir in it may start; accept4(2) would do this in one, but Swift's Glibc lacks it.
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return .connection(descriptor, SocketAddress(peer))
  }

  var now: ContinuousClock.Instant { .now }

  func isAsked(within time: Duration) -> Bool {
    var polled = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
    // An interruption is no calm.
    return poll(&polled, 1, CInt(time / .milliseconds(1))) != 0
  }

  func crowdIsOver() { core.crowdIsOver?() }

  func openReserve() -> CInt? {
    let opened = open("/dev/null", O_RDONLY | O_CLOEXEC)
    return opened >= 0 ? opened : nil
  }

  func close(_ descriptor: CInt) { closeSystem(descriptor) }

  func shed(_ descriptor: CInt) {
    core.connectionRefused(.descriptors)
    closeSystem(descriptor)
  }

  func rest() {
    // One that has stopped has no need to.
    if !isStopping.load(ordering: .acquiring) { Thread.sleep(forTimeInterval: Self.rest / .seconds(1)) }
  }

  func serve(_ descriptor: CInt, _ peer: SocketAddress?) {
    if let room, core.offenders.contains(peer, at: .now()) {
      room.add(descriptor, peer)
    } else {
      setup.serve(descriptor, peer)
    }
  }
}

// The system's calls, under names that the type's own do not hide.

private func acceptSystem(
  _ descriptor: CInt, _ address: UnsafeMutablePointer<sockaddr>, _ length: UnsafeMutablePointer<socklen_t>
) -> CInt { accept(descriptor, address, length) }

private func closeSystem(_ descriptor: CInt) { _ = close(descriptor) }
