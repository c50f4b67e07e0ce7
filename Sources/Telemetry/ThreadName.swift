#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The name of a thread as `top` and `ps` show it.
package enum ThreadName {
  /// Names the calling thread. At most 15 bytes; where the system has no `/proc` it stays as it is.
  ///
  /// Foundation's `Thread.name` does nothing in a thread that runs before `Thread.start` has returned to the one that began it.
  package static func set(_ name: String) {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    var name = name
    _ = name.withUTF8 { write(file, $0.baseAddress, $0.count) }
    close(file)
  }
}
