internal import Crypto

/// A SHA-256.
public struct LedgerHash: Sendable, Hashable {
  /// 32.
  public let bytes: [UInt8]

  /// Of what stands before the first entry: zeros.
  public static let none = LedgerHash(bytes: [UInt8](repeating: 0, count: 32))

  private init(bytes: [UInt8]) { self.bytes = bytes }

  /// Nil unless there are 32.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    self.bytes = Array(bytes)
  }

  init(of bytes: [UInt8]) { self.bytes = Array(SHA256.hash(data: bytes)) }
}

extension LedgerHash: CustomStringConvertible {
  /// 64 hexadecimal digits, in lower case.
  public var description: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Reads what `description` writes.
  public init?(_ text: String) {
    let digits = text.utf8.map { Character(UnicodeScalar($0)).hexDigitValue }
    guard digits.count == 64, digits.allSatisfy({ $0 != nil }), text == text.lowercased() else { return nil }
    bytes = stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0]! << 4 | digits[$0 + 1]!) }
  }
}

/// An entry by its sequence and hash. Whoever notes one in another place can tell later whether the ledger up to it is
/// still what it was.
public struct LedgerMark: Sendable, Hashable {
  /// Also the number of entries up to this one.
  public var sequence: UInt64
  public var hash: LedgerHash

  /// Before the first entry.
  public static let start = LedgerMark(sequence: 0, hash: .none)

  public init(sequence: UInt64, hash: LedgerHash) {
    self.sequence = sequence
    self.hash = hash
  }
}

extension LedgerMark: CustomStringConvertible {
  /// `12:9f86d081…`
  public var description: String { "\(sequence):\(hash)" }

  /// Reads what `description` writes.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let sequence = UInt64(parts[0]), let hash = LedgerHash(String(parts[1])) else { return nil }
    self.init(sequence: sequence, hash: hash)
  }
}
