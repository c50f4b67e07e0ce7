/// A set of bytes: what one place in an expression matches, for Envoy's RE2 takes expressions and texts as Latin-1.
struct RE2Class {
  private var bits = SIMD4<UInt64>()

  static let all = RE2Class { _ in true }

  init() {}

  init(where isMember: (UInt8) -> Bool) {
    for byte in UInt8.min...UInt8.max where isMember(byte) { insert(byte) }
  }

  init(_ ranges: ClosedRange<UInt8>...) {
    for range in ranges { insert(range) }
  }

  private mutating func insert(_ byte: UInt8) { bits[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }

  mutating func insert(_ range: ClosedRange<UInt8>) {
    for byte in range { insert(byte) }
  }

  mutating func formUnion(_ other: RE2Class) { bits |= other.bits }

  var complement: RE2Class {
    var copy = self
    copy.bits = ~bits
    return copy
  }

  func contains(_ byte: UInt8) -> Bool { bits[Int(byte >> 6)] & 1 << UInt64(byte & 63) != 0 }

  /// With the other case of each letter; the partners of `µ`, `ß` and `ÿ` are no bytes.
  var ignoringCase: RE2Class {
    RE2Class { byte in
      if contains(byte) { return true }
      let isLetter =
        switch byte & 0xDF {
        case 0x41...0x5A: true
        case 0xC0...0xDE: byte & 0xDF != 0xD7
        default: false
        }
      return isLetter && contains(byte ^ 0x20)
    }
  }

  /// RE2 compiles a class to one instruction for each of its ranges.
  var rangeCount: Int {
    var count = 0
    var carry: UInt64 = 0
    for index in 0..<4 {
      count += (bits[index] & ~(bits[index] << 1 | carry)).nonzeroBitCount
      carry = bits[index] >> 63
    }
    return count
  }

  // MARK: Named classes

  /// `\d`, `\s`, `\w`.
  static func perl(_ letter: Unicode.Scalar) -> RE2Class? {
    switch letter {
    case "d": digits
    case "s": RE2Class(0x09...0x0A, 0x0C...0x0D, 0x20...0x20)
    case "w": RE2Class(0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A)
    default: nil
    }
  }

  private static let digits = RE2Class(0x30...0x39)

  /// `[:alpha:]` and its like, as POSIX has them for ASCII.
  static func posix(_ name: String) -> RE2Class? {
    switch name {
    case "alnum": RE2Class(0x30...0x39, 0x41...0x5A, 0x61...0x7A)
    case "alpha": RE2Class(0x41...0x5A, 0x61...0x7A)
    case "ascii": RE2Class(0x00...0x7F)
    case "blank": RE2Class(0x09...0x09, 0x20...0x20)
    case "cntrl": RE2Class(0x00...0x1F, 0x7F...0x7F)
    case "digit": digits
    case "graph": RE2Class(0x21...0x7E)
    case "lower": RE2Class(0x61...0x7A)
    case "print": RE2Class(0x20...0x7E)
    case "punct": RE2Class(0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E)
    case "space": RE2Class(0x09...0x0D, 0x20...0x20)
    case "upper": RE2Class(0x41...0x5A)
    case "word": perl("w")
    case "xdigit": RE2Class(0x30...0x39, 0x41...0x46, 0x61...0x66)
    default: nil
    }
  }

  /// `\p{…}`: a general category, its first letter, or a script. Nil for a name that RE2 does not know.
  static func unicode(_ name: String) -> RE2Class? {
    guard RE2UnicodeClasses.names.contains(name) else { return nil }
    return switch name {
    case "Any": all
    case "Latin": latin
    case "Common": latin.complement
    // No other script has letters in Latin-1.
    default: categories[name] ?? RE2Class()
    }
  }

  private static let latin = RE2Class(
    0x41...0x5A, 0x61...0x7A, 0xAA...0xAA, 0xBA...0xBA, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0xFF)

  private static let categories: [String: RE2Class] = {
    var found: [String: RE2Class] = [:]
    for byte in UInt8.min...UInt8.max {
      guard let name = Unicode.Scalar(byte).properties.generalCategory.shortName else { continue }
      found[name, default: RE2Class()].insert(byte)
      found[String(name.prefix(1)), default: RE2Class()].insert(byte)
    }
    return found
  }()
}

extension Unicode.GeneralCategory {
  /// Of the categories that are found in Latin-1.
  fileprivate var shortName: String? {
    switch self {
    case .uppercaseLetter: "Lu"
    case .lowercaseLetter: "Ll"
    case .otherLetter: "Lo"
    case .decimalNumber: "Nd"
    case .otherNumber: "No"
    case .connectorPunctuation: "Pc"
    case .dashPunctuation: "Pd"
    case .openPunctuation: "Ps"
    case .closePunctuation: "Pe"
    case .initialPunctuation: "Pi"
    case .finalPunctuation: "Pf"
    case .otherPunctuation: "Po"
    case .mathSymbol: "Sm"
    case .currencySymbol: "Sc"
    case .modifierSymbol: "Sk"
    case .otherSymbol: "So"
    case .spaceSeparator: "Zs"
    case .control: "Cc"
    case .format: "Cf"
    default: nil
    }
  }
}
