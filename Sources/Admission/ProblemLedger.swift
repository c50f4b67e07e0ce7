internal import TrafficModel

/// The problems that there are, by what has them, with running counts and what is new.
struct ProblemLedger: Sendable {
  enum Owner: Hashable, Sendable {
    /// A file or directory as such.
    case origin(String)
    /// A file or directory whose objects stay though it does not show them.
    case kept(String)
    /// The documents of an object.
    case claims(ObjectKey)
    /// An object that waits.
    case waiting(ObjectKey)
  }

  private var lists: [Owner: [Problem]] = [:]
  private var new: [Problem] = []
  private(set) var errors = 0
  private(set) var warnings = 0

  /// Sorted. Costs their number.
  var all: [Problem] { lists.values.joined().sorted(by: Problem.precedes) }

  mutating func set(_ problems: [Problem], of owner: Owner) {
    let before = lists[owner] ?? []
    if problems == before { return }
    count(before, -1)
    count(problems, 1)
    lists[owner] = problems.isEmpty ? nil : problems
    if before.isEmpty {
      new += problems
    } else {
      var known: [Problem: Int] = [:]
      for problem in before { known[problem.withoutLine, default: 0] += 1 }
      for problem in problems {
        let key = problem.withoutLine
        if let left = known[key], left > 0 { known[key] = left - 1 } else { new.append(problem) }
      }
    }
  }

  /// What came since the last call and is still there, sorted.
  mutating func takeNew() -> [Problem] {
    defer { new = [] }
    return new.sorted(by: Problem.precedes)
  }

  private mutating func count(_ problems: [Problem], _ sign: Int) {
    let found = problems.count { $0.severity == .error }
    errors += sign * found
    warnings += sign * (problems.count - found)
  }
}

extension Problem {
  /// What it says, wherever in its file it says it.
  fileprivate var withoutLine: Problem {
    var copy = self
    copy.location?.line = 0
    copy.location?.position = 0
    return copy
  }
}
