/// The bytes whose SHA-256 is an entry's hash, version 1. They are no file format: they only have to be the same wherever
/// they are made, and different for entries that differ in anything.
///
///     text "weir.release.ledger/1"
///     32 bytes          hash of the entry before; zeros for the first
///     number            sequence
///     text              release, host, actor, action, reason: five, in this order
///     optional number   weight before, weight after: in basis points
///     optional number   generation
///     time              at
///     optional time     live everywhere at
///     optional number   sequence of the entry referred to
///     text              outcome
///     number            how many attributes, and for each, sorted by the bytes of its name:
///       text, text      name, value
///
/// A number is 8 bytes, the highest first; a time is a number of milliseconds since 1970-01-01T00:00:00Z, in two's
/// complement; a text is the number of its bytes in UTF-8, and they; an optional is a byte 0, or a byte 1 and the value. As
/// every part has a known end, no two entries have the same bytes. Another version of this begins with another text.
public enum LedgerEncoding {
  static let version = "weir.release.ledger/1"

  public static func bytes(_ statement: LedgerStatement, sequence: UInt64, previousHash: LedgerHash) -> [UInt8] {
    var out = Writer()
    out.text(version)
    out.bytes += previousHash.bytes
    out.number(sequence)
    for text in [statement.release, statement.host, statement.actor, statement.action, statement.reason] {
      out.text(text)
    }
    out.optional(statement.fromWeight.map(UInt64.init))
    out.optional(statement.toWeight.map(UInt64.init))
    out.optional(statement.generation)
    out.number(statement.at.bits)
    out.optional(statement.liveEverywhereAt?.bits)
    out.optional(statement.refersTo)
    out.text(statement.outcome)
    out.number(UInt64(statement.attributes.count))
    let sorted = statement.attributes.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for (name, value) in sorted {
      out.text(name)
      out.text(value)
    }
    return out.bytes
  }

  static func hash(_ statement: LedgerStatement, sequence: UInt64, previousHash: LedgerHash) -> LedgerHash {
    LedgerHash(of: bytes(statement, sequence: sequence, previousHash: previousHash))
  }

  private struct Writer {
    var bytes: [UInt8] = []

    mutating func number(_ value: UInt64) {
      for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func optional(_ value: UInt64?) {
      bytes.append(value == nil ? 0 : 1)
      if let value { number(value) }
    }

    mutating func text(_ text: String) {
      number(UInt64(text.utf8.count))
      bytes += text.utf8
    }
  }
}

extension Timestamp {
  fileprivate var bits: UInt64 { UInt64(bitPattern: millisecondsSince1970) }
}
