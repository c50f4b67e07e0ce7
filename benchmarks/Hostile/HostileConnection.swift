import EnvoyAPI
import Glibc

/// One hostile connection: a non-blocking socket that goes through its attack's script, again after each time that it was
/// thrown out. Used by one thread.
final class HostileConnection {
  enum State {
    /// Until then, and then it connects.
    case waiting(until: Milliseconds)
    case connecting
    /// Sends its next bytes then.
    case open(nextTurn: Milliseconds)
  }

  private let attack: Attack
  private let scripts: [[UInt8]]
  let kind: Int
  private(set) var state: State
  private(set) var descriptor: Int32 = -1
  private var script: Int
  private var offset = 0
  private var hasEnded = false
  private let source: in_addr

  /// - Parameter index: which of all it is; spreads the source addresses, so that no port runs out.
  init(attack: Attack, scripts: [[UInt8]], kind: Int, index: Int, start: Milliseconds) {
    self.attack = attack
    self.scripts = scripts
    self.kind = kind
    script = index % scripts.count
    state = .waiting(until: start)
    source = in_addr(s_addr: (0x7F00_0100 + UInt32(index % 200) + 1).bigEndian)
  }

  /// What `poll` is to look for.
  var interest: Int16 {
    switch state {
    case .waiting: return 0
    case .connecting: return Int16(POLLOUT)
    case .open:
      // 0x2000: POLLRDHUP, the server's FIN, also where nothing is read.
      if case .all = attack.reading { return Int16(POLLIN) | 0x2000 }
      return 0x2000
    }
  }

  // MARK: Opening and closing

  func connect(to server: sockaddr_in, _ tally: inout Tally) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { return fail(&tally) }
    tally.connects += 1
    set(IPPROTO_TCP, TCP_NODELAY, 1)
    // 24: IP_BIND_ADDRESS_NO_PORT: the port is chosen at connect, where the whole four-tuple is known.
    set(Int(IPPROTO_IP), 24, 1)
    // What it copies to the system for later is copied on the server's processors here.
    set(Int(SOL_SOCKET), SO_SNDBUF, 64 << 10)
    if let size = attack.receiveBuffer { set(Int(SOL_SOCKET), SO_RCVBUF, size) }
    var local = sockaddr_in()
    local.sin_family = sa_family_t(AF_INET)
    local.sin_addr = source
    var remote = server
    let bound = withAddress(&local) { bind(descriptor, $0, $1) }
    let connected = withAddress(&remote) { Glibc.connect(descriptor, $0, $1) }
    guard bound == 0, connected == 0 || errno == EINPROGRESS else { return fail(&tally) }
    offset = 0
    hasEnded = false
    state = .connecting
  }

  private func fail(_ tally: inout Tally) {
    tally.failedConnects += 1
    close(aborting: true)
    state = .waiting(until: now() + attack.pause)
  }

  func close(aborting: Bool) {
    guard descriptor >= 0 else { return }
    if aborting {
      var option = linger(l_onoff: 1, l_linger: 0)
      setsockopt(descriptor, Int32(SOL_SOCKET), SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
    Glibc.close(descriptor)
    descriptor = -1
  }

  private func comeBackLater() {
    script = (script + 1) % scripts.count
    // Spread, so that they do not come in step.
    state = .waiting(until: now() + attack.pause / 2 + .random(in: 0...attack.pause))
  }

  private func thrownOut(_ tally: inout Tally) {
    tally.thrownOut += 1
    close(aborting: false)
    comeBackLater()
  }

  // MARK: Turns

  /// `poll` found something.
  func ready(_ events: Int16, into scratch: UnsafeMutableRawBufferPointer, _ tally: inout Tally) {
    switch state {
    case .waiting: return
    case .connecting:
      guard events & Int16(POLLERR | POLLHUP) == 0 else { return fail(&tally) }
      state = .open(nextTurn: now())
      tally.opened += 1
    case .open:
      if events & Int16(POLLIN) != 0 {
        guard read(scratch, scratch.count, &tally) else { return }
      } else if events & (Int16(POLLERR | POLLHUP) | 0x2000) != 0 {
        thrownOut(&tally)
      }
    }
  }

  /// Takes its turn if it is due.
  func act(
    at time: Milliseconds, to server: sockaddr_in, into scratch: UnsafeMutableRawBufferPointer, _ tally: inout Tally
  ) {
    switch state {
    case .waiting(let until) where until <= time: connect(to: server, &tally)
    case .open(let next) where next <= time:
      state = .open(nextTurn: time + attack.turn)
      if case .slowly(let count) = attack.reading, !read(scratch, count, &tally) { return }
      send(&tally)
    default: break
    }
  }

  /// Sends the next chunk of the script; EAGAIN means that the server does not read, and that is its right.
  private func send(_ tally: inout Tally) {
    let bytes = scripts[script]
    if offset == bytes.count {
      switch attack.ending {
      case .again(let start): offset = start
      case .hold: return
      case .close, .abort:
        // One turn after the last bytes, so that the server has read them.
        guard hasEnded else {
          hasEnded = true
          return
        }
        if case .abort = attack.ending { close(aborting: true) } else { close(aborting: false) }
        tally.left += 1
        return comeBackLater()
      }
    }
    let count = bytes.withUnsafeBytes { raw in
      Glibc.send(
        descriptor, raw.baseAddress?.advanced(by: offset), min(attack.chunk, bytes.count - offset),
        Int32(MSG_NOSIGNAL))
    }
    if count > 0 {
      offset += count
      tally.sent += count
    } else if count < 0, errno != EAGAIN {
      thrownOut(&tally)
    }
  }

  /// - Returns: false if the connection is gone.
  private func read(_ scratch: UnsafeMutableRawBufferPointer, _ limit: Int, _ tally: inout Tally) -> Bool {
    let count = recv(descriptor, scratch.baseAddress, min(limit, scratch.count), 0)
    if count > 0 {
      tally.received += count
      if let answer = attack.answer { self.answer(scratch[..<count], answer, &tally) }
      return true
    }
    guard count == 0 || errno != EAGAIN else { return true }
    thrownOut(&tally)
    return false
  }

  /// Answers the response that ends these bytes. Its nonce is its last field: tag, length, text.
  private func answer(_ bytes: Slice<UnsafeMutableRawBufferPointer>, _ answer: Attack.Answer, _ tally: inout Tally) {
    guard let tag = bytes.suffix(40).lastIndex(of: 0x2A), tag + 2 < bytes.endIndex,
      tag + 2 + Int(bytes[tag + 1]) == bytes.endIndex
    else { return }
    let nonce = String(decoding: bytes[(tag + 2)...], as: UTF8.self)
    let count = answer.messages(to: nonce).withUnsafeBytes {
      Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count > 0 { tally.sent += count }
  }

  private func set(_ level: Int, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, Int32(level), name, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}

/// What the connections of one kind have done.
struct Tally: Codable, Sendable {
  var name = ""
  var connections = 0
  var connects = 0
  var failedConnects = 0
  var opened = 0
  var thrownOut = 0
  /// Closed by themselves.
  var left = 0
  var sent = 0
  var received = 0
}

/// The monotonic clock.
func now() -> Milliseconds {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Milliseconds(time.tv_sec) * 1_000 + Milliseconds(time.tv_nsec) / 1_000_000
}

private func withAddress(
  _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
  withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
  }
}
