internal import AdminServer
internal import Foundation
internal import TrafficCompiler
internal import TrafficModel
internal import XDSSnapshot

/// The last changes and why they happened, for whoever asks: `GET /v1/changes` and `weir why`. Bounded in number and size.
struct ChangeJournal {
  /// The steps that are kept of a change. An edit of one object takes some ten; the first reading of all manifests takes
  /// millions, and nobody asks why.
  static let stepsOfAChange = 500

  let kept: Int
  private var changes: [ChangeReport] = []
  /// Where the oldest one is, once all places are taken.
  private var oldest = 0

  /// - Parameter kept: how many changes; 0 for none.
  init(kept: Int) { self.kept = kept }

  /// - Parameter place: where an object is written.
  mutating func add(_ change: CompiledChange, at time: Date, place: (ObjectKey) -> String?) {
    guard kept > 0 else { return }
    let report = ChangeReport(
      at: time, generation: change.generation,
      steps: change.steps.map { step in
        ChangeReport.Step(
          kind: .init(rawValue: step.kind.rawValue) ?? .ran, unit: step.unit, changed: step.changed,
          because: step.cause, object: step.object.map { "\($0)" }, place: step.object.flatMap(place))
      },
      changed: change.parts.map { .init(type: $0.type.kind, name: $0.name, step: $0.step) },
      omittedSteps: change.omittedSteps)
    if changes.count < kept {
      changes.append(report)
    } else {
      changes[oldest] = report
      oldest = (oldest + 1) % kept
    }
  }

  /// The newest first.
  var list: ChangeList {
    ChangeList(kept: kept, changes: (changes[oldest...] + changes[..<oldest]).reversed())
  }
}
