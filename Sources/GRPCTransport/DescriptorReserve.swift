#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// One file descriptor that is kept so that it can be given up (``AcceptGate``). Whoever holds the value releases it.
struct DescriptorReserve {
  private var descriptor: Int32?

  var isHeld: Bool { descriptor != nil }

  /// Takes a descriptor, if there is one to be had.
  mutating func take() {
    guard descriptor == nil else { return }
    let opened = open("/dev/null", O_RDONLY | O_CLOEXEC)
    if opened >= 0 { descriptor = opened }
  }

  mutating func release() {
    if let descriptor { close(descriptor) }
    descriptor = nil
  }
}

/// What an `accept` failed for that other connections may not fail for (accept(2), "Errors").
enum ResourceShortage {
  case descriptors
  case memory

  init?(errno: Int32) {
    switch errno {
    case EMFILE, ENFILE: self = .descriptors
    case ENOBUFS, ENOMEM: self = .memory
    default: return nil
    }
  }
}
