import IncrementalGraph
import TrafficModel

/// The problems at present, in the order of object, field and message.
struct ProblemTable {
  private var tree = OrderedTree<Entry>()
  /// By key: what has appeared since the last `takeNew`; all of it is there now.
  private var appeared: [String: Problem] = [:]
  /// The keys of what was there then and is not there now.
  private var disappeared: Set<String> = []

  private struct Entry: OrderedElement {
    let problem: Problem
    let key: String
    /// How many units report it.
    let reports: Int
    var revision: Int { reports }

    init(_ problem: Problem, reports: Int) {
      self.problem = problem
      self.reports = reports
      key = Self.key(problem)
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
    let before = tree[key]?.reports ?? 0
    let reports = before + delta
    if reports == 0 { tree.remove(key) } else { tree.set(Entry(problem, reports: reports)) }
    if before == 0 {
      if disappeared.remove(key) == nil { appeared[key] = problem }
    } else if reports == 0 {
      if appeared.removeValue(forKey: key) == nil { disappeared.insert(key) }
    }
  }

  /// What has appeared since the last call, in the order of `all`.
  mutating func takeNew() -> [Problem] {
    let new = appeared.sorted { $0.key < $1.key }.map(\.value)
    appeared = [:]
    disappeared = []
    return new
  }
}

/// What one graph has told of problems since the last publication.
final class ProblemChanges {
  private var changes: [(before: [Problem], after: [Problem])] = []

  func observe<Key, Value>(_ collection: Collection<Key, Value>, _ problems: @escaping (Value) -> [Problem]) {
    collection.onChange { [unowned(unsafe) self] change in
      let before = change.old.map(problems) ?? []
      let after = change.new.map(problems) ?? []
      if before != after { changes.append((before, after)) }
    }
  }

  func apply(to table: inout ProblemTable) {
    guard !changes.isEmpty else { return }
    for (before, after) in changes { table.replace(before, by: after) }
    changes = []
  }
}
