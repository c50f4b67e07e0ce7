import TrafficModel
import XDSSnapshot

/// The problems at present, in the order of object, field and message.
struct ProblemTable {
  private var tree = PersistentTree<Entry>()

  private struct Entry: TreeElement {
    let problem: Problem
    let key: String
    let contentHash: ContentHash
    /// How many units report it.
    let reports: Int
    var byteCount: Int { 0 }

    init(_ problem: Problem, reports: Int) {
      self.problem = problem
      self.reports = reports
      key = Self.key(problem)
      contentHash = ContentHash(Array("\(key)\0\(reports)".utf8))
    }

    static func key(_ problem: Problem) -> String {
      let object = problem.object
      return "\(object?.kind.rawValue ?? "")\0\(object?.id.namespace ?? "")\0\(object?.id.name ?? "")\0\(problem.field)"
        + "\0\(problem.message)\0\(problem.severity.rawValue)"
    }
  }

  var count: Int { tree.count }

  var all: [Problem] {
    var problems: [Problem] = []
    problems.reserveCapacity(tree.count)
    tree.forEach { problems.append($0.problem) }
    return problems
  }

  /// O((old + new) log n).
  mutating func replace(_ old: [Problem], by new: [Problem]) {
    for problem in old { add(problem, -1) }
    for problem in new { add(problem, 1) }
  }

  private mutating func add(_ problem: Problem, _ delta: Int) {
    let key = Entry.key(problem)
    let reports = (tree[key]?.reports ?? 0) + delta
    if reports == 0 { tree.remove(key) } else { tree.set(Entry(problem, reports: reports)) }
  }
}
