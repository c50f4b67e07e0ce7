#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// What the files hold at one time. Says nothing of the key when it is printed.
struct CredentialBytes: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
  var certificate: [UInt8]
  var key: [UInt8]
  var clientCA: [UInt8]?

  /// Far above any chain or bundle: the one of all public roots has 0.2 MiB.
  static let largestFile = 1 << 20

  init(certificate: [UInt8], key: [UInt8], clientCA: [UInt8]? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientCA = clientCA
  }

  /// Reads the files. Blocks.
  init(reading files: TLSFiles) throws(CertificateError) {
    certificate = try Self.read(files.certificate)
    key = try Self.read(files.key)
    if let file = files.clientCA { clientCA = try Self.read(file) }
  }

  var description: String { "credentials" }
  var customMirror: Mirror { Mirror(self, children: [:]) }

  private static func read(_ path: String) throws(CertificateError) -> [UInt8] {
    func failure() -> CertificateError {
      CertificateError(.unreadable, path, "cannot be read: \(String(cString: strerror(errno)))")
    }
    // Not blocking, for a pipe of this name would hold us for ever.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw failure() }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure() }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw CertificateError(.unreadable, path, "is not a regular file")
    }
    var bytes: [UInt8] = []
    while bytes.count <= largestFile {
      var count = 0
      let chunk = [UInt8](unsafeUninitializedCapacity: 16 << 10) { buffer, initialized in
        repeat { count = systemRead(file, buffer.baseAddress!, buffer.count) } while count < 0 && errno == EINTR
        initialized = max(0, count)
      }
      guard count >= 0 else { throw failure() }
      if count == 0 { return bytes }
      bytes += chunk
    }
    throw CertificateError(.unreadable, path, "is larger than \(largestFile >> 20) MiB")
  }
}

/// The system's `read`, under a name that `CredentialBytes.read` does not hide.
private func systemRead(_ file: CInt, _ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
  read(file, buffer, count)
}
