internal import Glibc
internal import NIOConcurrencyHelpers

/// Addresses in 127.0.0.0/8, all of which are this machine's own on Linux. A listener on an address of its own may use
/// any port number, also a fixed one, without meeting the listeners of other tests.
public enum LoopbackAddress {
  private static let counter = NIOLockedValueBox(0)

  /// An address that this process has not had yet, and that other processes are unlikely to have: the process id picks
  /// the middle of it. 127.0.0.x is left alone, where people and other programs listen.
  public static func next() -> String {
    let index = counter.withLockedValue { value -> Int in
      value += 1
      return value
    }
    let process = Int(getpid()) &* 61 &+ index / 250
    return "127.\(64 + process / 256 % 190).\(process % 256).\(1 + index % 250)"
  }
}
