/// Cuts a file into its YAML documents before any of it is parsed, so that a malformed document costs only itself.
///
/// YAML 1.2 section 9.1.2: a line that begins with `---` or `...` ends the document wherever it stands, also inside block
/// and quoted scalars, so the cut needs no parser.
struct DocumentSplitter {
  /// One document: its bytes, its `---` line included.
  struct Chunk {
    var bytes: ArraySlice<UInt8>
    /// Line of the file, from 1, on which `bytes` begins.
    var firstLine: Int
  }

  /// The documents that hold anything but white space, comments and directives.
  static func split(_ bytes: [UInt8]) -> [Chunk] {
    var chunks: [Chunk] = []
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var chunkStart = start
    var chunkLine = 1
    var hasContent = false
    var line = 1
    var cursor = start

    func close(at end: Int, nextLine: Int) {
      if hasContent { chunks.append(Chunk(bytes: bytes[chunkStart..<end], firstLine: chunkLine)) }
      chunkStart = end
      chunkLine = nextLine
      hasContent = false
    }

    bytes.withUnsafeBufferPointer { buffer in
      while cursor < buffer.count {
        var end = cursor
        while end < buffer.count, buffer[end] != UInt8(ascii: "\n") { end += 1 }
        let next = min(end + 1, buffer.count)
        if isMarker(UInt8(ascii: "-"), buffer, cursor, end) {
          close(at: cursor, nextLine: line)
          hasContent = holdsContent(buffer, cursor + 3, end)
        } else if isMarker(UInt8(ascii: "."), buffer, cursor, end) {
          close(at: next, nextLine: line + 1)
        } else if !hasContent {
          hasContent = holdsContent(buffer, cursor, end) && buffer[cursor] != UInt8(ascii: "%")
        }
        cursor = next
        line += 1
      }
    }
    close(at: bytes.count, nextLine: line)
    return chunks
  }

  private static func isMarker(
    _ character: UInt8, _ buffer: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int
  ) -> Bool {
    guard end - start >= 3, buffer[start] == character, buffer[start + 1] == character, buffer[start + 2] == character
    else { return false }
    return end - start == 3 || isBlank(buffer[start + 3])
  }

  private static func holdsContent(_ buffer: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Bool {
    var index = start
    while index < end, isBlank(buffer[index]) { index += 1 }
    return index < end && buffer[index] != UInt8(ascii: "#")
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
  }
}
