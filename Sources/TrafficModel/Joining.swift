extension String {
  /// The parts one after the other. Memory is asked for once; an interpolation asks for more as it grows, and for each of its
  /// parts a call into the standard library.
  package init(
    joining a: String, _ b: String, _ c: String = "", _ d: String = "", _ e: String = "", _ f: String = "",
    _ g: String = ""
  ) {
    let count =
      a.utf8.count &+ b.utf8.count &+ c.utf8.count &+ d.utf8.count &+ e.utf8.count &+ f.utf8.count &+ g.utf8.count
    self.init(unsafeUninitializedCapacity: count) { buffer in
      if let start = buffer.baseAddress { _ = start.write(a).write(b).write(c).write(d).write(e).write(f).write(g) }
      return count
    }
  }
}

extension UnsafeMutablePointer<UInt8> {
  /// Writes a text and returns where it ends.
  fileprivate func write(_ text: String) -> Self {
    if text.isEmpty { return self }
    let end = text.utf8.withContiguousStorageIfAvailable { bytes in
      guard let source = bytes.baseAddress else { return self }
      update(from: source, count: bytes.count)
      return self + bytes.count
    }
    // A string that came from elsewhere than Swift.
    return end ?? write(String(decoding: Array(text.utf8), as: UTF8.self))
  }
}
