internal import Foundation

/// The ledger as JSON lines: an object an entry, keys in order, with all that its hash is made of.
///
///     {"action":"set-weight","actor":"ci","at":"2026-11-28T10:00:00.123Z","attributes":{},"from_basis_points":500,
///      "generation":7,"hash":"…","host":"reviews.shop","outcome":"accepted","previous_hash":"…","reason":"",
///      "release":"r-1","sequence":3,"to_basis_points":2500}
///
/// What an entry does not have is left out. Times are RFC 3339 with milliseconds; hashes are hexadecimal.
public enum LedgerJSON {
  /// One line, with its end.
  public static func line(_ entry: LedgerEntry) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Strings, numbers and dictionaries of them only.
    guard let data = try? encoder.encode(Wire(entry)) else { preconditionFailure("an entry is always JSON") }
    return [UInt8](data) + [UInt8(ascii: "\n")]
  }

  /// Empty lines are passed over.
  ///
  /// - Throws: `LineError`.
  public static func entries(of text: [UInt8]) throws(LineError) -> [LedgerEntry] {
    var entries: [LedgerEntry] = []
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 == 32 || $0 == 13 || $0 == 9 }) {
      do {
        entries.append(try JSONDecoder().decode(Wire.self, from: Data(line)).entry)
      } catch {
        throw LineError(line: index + 1, reason: (error as? LineError)?.reason ?? "\(error)")
      }
    }
    return entries
  }

  /// A line that is none of a ledger.
  public struct LineError: Error, CustomStringConvertible {
    /// From 1.
    public var line: Int
    public var reason: String
    public var description: String { "line \(line) is no entry of a ledger: \(reason)" }
  }

  private struct Wire: Codable {
    var sequence: UInt64
    var release: String
    var host: String
    var actor: String
    var action: String
    var reason: String
    var from_basis_points: UInt32?
    var to_basis_points: UInt32?
    var generation: UInt64?
    var at: String
    var live_everywhere_at: String?
    var refers_to: UInt64?
    var outcome: String
    var attributes: [String: String]
    var previous_hash: String
    var hash: String

    init(_ entry: LedgerEntry) {
      let statement = entry.statement
      sequence = entry.sequence
      release = statement.release
      host = statement.host
      actor = statement.actor
      action = statement.action
      reason = statement.reason
      from_basis_points = statement.fromWeight
      to_basis_points = statement.toWeight
      generation = statement.generation
      at = statement.at.description
      live_everywhere_at = statement.liveEverywhereAt?.description
      refers_to = statement.refersTo
      outcome = statement.outcome
      attributes = statement.attributes
      previous_hash = entry.previousHash.description
      hash = entry.hash.description
    }

    var entry: LedgerEntry {
      get throws(LineError) {
        func time(_ text: String, _ field: String) throws(LineError) -> Timestamp {
          guard let time = Timestamp(text) else { throw LineError(line: 0, reason: "\(field) is no time: \(text)") }
          return time
        }
        guard let previous = LedgerHash(previous_hash), let own = LedgerHash(hash) else {
          throw LineError(line: 0, reason: "a hash has 64 hexadecimal digits")
        }
        var live: Timestamp?
        if let live_everywhere_at { live = try time(live_everywhere_at, "live_everywhere_at") }
        let statement = LedgerStatement(
          release: release, host: host, actor: actor, action: action, reason: reason, fromWeight: from_basis_points,
          toWeight: to_basis_points, generation: generation, at: try time(at, "at"), liveEverywhereAt: live,
          refersTo: refers_to, outcome: outcome, attributes: attributes)
        return LedgerEntry(sequence: sequence, statement: statement, previousHash: previous, hash: own)
      }
    }
  }
}
