/// An upper bound of what a document's aliases can expand to, taken from its text before it is parsed.
///
/// YAML lets nine lines mean a billion nodes ("billion laughs"), and a chain of anchors each inside the next a tree deeper
/// than any stack. An anchored node ends before its anchor is first used, so its size is at most the text between anchor
/// and first use, plus the sizes of the aliases used in between. What only looks like an anchor or alias (in a string or a
/// comment) makes the bound higher, never lower.
struct AliasBound {
  /// Bytes that all aliases together stand for.
  private(set) var expandedSize = 0
  /// Levels of nesting.
  private(set) var depth = 0

  static let maximumSize = 16 << 20
  static let maximumDepth = 2_000
  private static let cap = 1 << 40

  /// Costs one pass over the text; a text without anchors costs nothing more.
  init(_ bytes: ArraySlice<UInt8>) {
    struct Mark {
      var isAnchor: Bool
      var name: ArraySlice<UInt8>
      var offset: Int
      /// Characters that may open a level, up to here.
      var openers: Int
    }
    guard bytes.contains(UInt8(ascii: "*")), bytes.contains(UInt8(ascii: "&")) else { return }
    var marks: [Mark] = []
    var openers = 0
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      if byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") {
        var end = index + 1
        while end < bytes.endIndex, Self.isNameByte(bytes[end]) { end += 1 }
        marks.append(
          Mark(isAnchor: byte == UInt8(ascii: "&"), name: bytes[(index + 1)..<end], offset: index, openers: openers))
        index = end
        continue
      }
      switch byte {
      case UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "?"): openers += 1
      default: break
      }
      index += 1
    }

    var open: [ArraySlice<UInt8>: (place: Int, sizeBefore: Int)] = [:]
    var closed: [ArraySlice<UInt8>: (size: Int, depth: Int)] = [:]
    // The aliases so far that no later one exceeds in depth: the first from a place on is the deepest since.
    var deepest: [(place: Int, depth: Int)] = []
    for (place, mark) in marks.enumerated() {
      if mark.isAnchor {
        open[mark.name] = (place, expandedSize)
        continue
      }
      if let anchor = open.removeValue(forKey: mark.name) {
        var low = 0
        var high = deepest.count
        while low < high {
          let middle = (low + high) / 2
          if deepest[middle].place < anchor.place { low = middle + 1 } else { high = middle }
        }
        closed[mark.name] = (
          min(Self.cap, mark.offset - marks[anchor.place].offset + expandedSize - anchor.sizeBefore),
          min(Self.cap, mark.openers - marks[anchor.place].openers + (low < deepest.count ? deepest[low].depth : 0))
        )
      }
      guard let node = closed[mark.name] else { continue }
      expandedSize = min(Self.cap, expandedSize + node.size)
      depth = max(depth, node.depth)
      while let last = deepest.last, last.depth <= node.depth { deepest.removeLast() }
      deepest.append((place, node.depth))
      if isTooLarge { return }
    }
  }

  var isTooLarge: Bool { expandedSize > Self.maximumSize || depth > Self.maximumDepth }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
