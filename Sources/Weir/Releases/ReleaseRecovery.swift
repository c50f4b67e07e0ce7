internal import Foundation
internal import ReleaseControl
internal import ReleaseStores
internal import TrafficModel

/// Releases whose records cannot be read, out of the ledger: what a release served last is served on, whatever becomes of its
/// record. Costs O(ledger), and is needed only where something is damaged.
struct ReleaseRecovery {
  /// The attribute of a release's first entry that has all of it, as it was kept.
  static let attribute = "release"
  /// The attribute of each entry that has how many endpoints carry everything.
  static let baseline = "baseline"
  private static let pageSize = 1000

  private struct Trace {
    var start: Release?
    var last: LedgerEntry?
  }

  private var traces: [String: Trace] = [:]

  init(_ store: any ReleaseStore) async throws {
    var sequence: UInt64 = 0
    while true {
      let page = try await store.ledger(after: sequence, limit: Self.pageSize, of: nil)
      // What somebody has changed decides no weight.
      for entry in page where entry.isConsistent { note(entry) }
      guard let end = page.last?.sequence, end > sequence else { break }
      sequence = end
    }
  }

  private mutating func note(_ entry: LedgerEntry) {
    let statement = entry.statement
    if let text = statement.attributes[Self.attribute],
      let release = try? ReleaseJSON.decode(Release.self, from: Data(text.utf8)), release.id == statement.release
    {
      traces[statement.release, default: Trace()].start = release
    }
    if statement.isMove {
      traces[statement.release, default: Trace()].last = entry
    }
  }

  /// Those that shaped routes at last, of all that the ledger knows.
  var inForce: [String] {
    traces.compactMap { id, trace in
      trace.last.flatMap { ReleaseState(rawValue: $0.statement.outcome) }?.isInForce == true ? id : nil
    }.sorted()
  }

  /// Nil if the ledger does not know enough.
  func release(_ id: String, at now: Date) -> Release? {
    guard let trace = traces[id], let start = trace.start, let last = trace.last?.statement,
      let state = ReleaseState(rawValue: last.outcome),
      let weight = last.toWeight.flatMap({ Weight(basisPoints: Int($0)) })
    else { return nil }
    return Release(
      recovering: start, state: state, step: last.attributes["step"].flatMap { Int($0) } ?? -1, weight: weight,
      baseline: last.attributes[Self.baseline].flatMap { Int($0) } ?? start.baseline,
      revision: last.attributes["revision"].flatMap { UInt64($0) } ?? 0,
      reason: "its record cannot be read; it serves what the ledger says that it served", at: now)
  }
}

extension LedgerStatement {
  /// Whether it says where a release was moved to, and not what was learned or done beside that.
  var isMove: Bool { action == "start" || ReleaseControl.ReleaseEvent.Kind(rawValue: action) != nil }

  /// Whether it says what a guard rail has served in place of the weight, or that it is served as set again.
  var isOfGuardRail: Bool { action == ReleaseController.spill || action == ReleaseController.unspill }
}
