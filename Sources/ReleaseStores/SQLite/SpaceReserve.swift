#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// A file that is good for nothing but its space: let go, it makes room for a commit that must not wait until somebody has
/// made some.
struct SpaceReserve: Sendable {
  let path: String
  /// In bytes. A commit of one release takes some tens of thousands; room for several.
  let size: Int
  private var isThere = false

  init(path: String, size: Int) {
    self.path = path
    self.size = size
    fill()
  }

  /// Takes the space, if it is not taken and there is as much. Costs nothing while it is.
  mutating func fill() {
    guard !isThere, size > 0 else { return }
    let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard file >= 0 else { return }
    isThere = posix_fallocate(file, 0, off_t(size)) == 0
    close(file)
    // A part of it would help nobody, and be missed elsewhere.
    if !isThere { unlink(path) }
  }

  /// - Returns: whether there was any.
  mutating func letGo() -> Bool {
    defer { isThere = false }
    return isThere && unlink(path) == 0
  }
}
