internal import CXXHash

/// A 128-bit hash of names under a secret that this process has drawn for itself (XXH3 with a secret of 192 bytes).
///
/// For sets whose members clients choose, where a hash that is the same everywhere would let them craft two sets that pass for
/// one. It means nothing to another process; `ContentHash.init(_:)` is for that.
public enum NameHash {
  /// About 15 ns for a usual name.
  public static func of(_ name: UnsafeRawBufferPointer) -> ContentHash {
    let hash = XXH3_128bits_withSecret(name.baseAddress, name.count, secret.bytes, Secret.byteCount)
    return ContentHash(high: hash.high64, low: hash.low64)
  }

  private struct Secret: @unchecked Sendable {
    static let byteCount = 192
    /// Written once, before anybody else can see it, and never freed.
    let bytes: UnsafeRawPointer

    init() {
      var generator = SystemRandomNumberGenerator()
      let words = UnsafeMutablePointer<UInt64>.allocate(capacity: Self.byteCount / 8)
      for index in 0..<Self.byteCount / 8 { words[index] = generator.next() }
      bytes = UnsafeRawPointer(words)
    }
  }

  private static let secret = Secret()
}
