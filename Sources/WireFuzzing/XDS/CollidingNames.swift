/// Names that have one XXH3 hash, as anybody can make: the hash is public, and from 241 bytes on it adds up products of eight
/// bytes each. Two groups of eight whose upper halves look the same behind the hash's constants may exchange bits of their
/// lower halves.
public enum CollidingNames {
  /// 128 printable texts of 576 bytes each.
  public static let all: [String] = (0..<1 << exchanged.count).map { choice in
    var name = base
    for (index, places) in exchanged.enumerated() where choice >> index & 1 == 1 { name.swapAt(places.0, places.1) }
    return String(decoding: name, as: UTF8.self)
  }

  private static let exchanged = [(192, 320), (136, 264), (80, 208), (24, 152), (40, 488), (112, 496), (56, 440)]

  private static let base: [UInt8] = {
    var base = Array("outbound|80||".utf8)
    base += [UInt8](repeating: UInt8(ascii: "n"), count: 576 - base.count)
    // Where the groups are.
    let groups = [
      (24, "$nnn!!!@"), (40, "$nnn@!!!"), (56, "!nnn!@!!"), (80, "$nnn!!!@"), (112, "!nnn!@!!"), (136, "$nnn!!!@"),
      (152, "%nnnZm4~"), (192, "$nnn!!!@"), (208, "%nnnZm4~"), (264, "%nnnZm4~"),
      (320, "%nnnZm4~"), (440, "#nnngqHp"), (488, "%nnnoBg?"), (496, "#nnngqHp"),
    ]
    for (place, text) in groups { base.replaceSubrange(place..<place + 8, with: text.utf8) }
    return base
  }()
}
