import TrafficModel

/// The order in which a large first batch is best applied: a hundred services at a time, each with what belongs to it. What one
/// service's objects become is then still in the processor's cache when the next step reads it.
///
/// Nothing but time depends on it: a unit that ran too early runs again.
struct Portions {
  /// Indices of the edits, portion by portion; within one in the order in which they came.
  private(set) var order: [Int32] = []
  /// Where each portion ends.
  private(set) var ends: [Int] = []

  /// More pods than this in a row are a list of pods; fewer are one service's, and go where the edit before them goes.
  private static let fewPods = 64

  init(_ edits: [Edit], servicesEach: Int, clusterDomain: String) {
    // The first is of what all may read.
    var portions = [Int32](repeating: 0, count: edits.count)
    var services = Numbering()
    var current: Int32 = 0
    var index = 0
    while index < edits.count {
      var end = index + 1
      switch edits[index] {
      case .upsert(.pod):
        while end < edits.count, case .upsert(.pod) = edits[end] { end += 1 }
        if end - index <= Self.fewPods { for pod in index..<end { portions[pod] = current } }
      case .upsert(.node), .upsert(.namespace), .delete: break
      case .upsert(let object):
        current = services.number(object, clusterDomain: clusterDomain) / Int32(servicesEach) + 1
        portions[index] = current
      }
      index = end
    }
    ends = Array(repeating: 0, count: Int(services.count) / servicesEach + 2)
    for portion in portions { ends[Int(portion)] += 1 }
    var next: [Int] = []
    var sum = 0
    for portion in ends.indices {
      next.append(sum)
      sum += ends[portion]
      ends[portion] = sum
    }
    order = Array(repeating: 0, count: edits.count)
    for (edit, portion) in portions.enumerated() {
      order[next[Int(portion)]] = Int32(edit)
      next[Int(portion)] += 1
    }
  }

  /// Where a portion is in `order`.
  func places(_ portion: Int) -> Range<Int> { (portion == 0 ? 0 : ends[portion - 1])..<ends[portion] }

  /// Numbers names as they come.
  private struct Numbering {
    private var numbers: [NamespacedName: Int32] = [:]
    private var latest: (name: NamespacedName, number: Int32)?

    var count: Int32 { Int32(numbers.count) }

    /// The number of the service that the object belongs to.
    mutating func number(_ object: TrafficObject, clusterDomain: String) -> Int32 {
      if let latest, object.plainlyNames(latest.name) { return latest.number }
      let name = object.relatedService(clusterDomain: clusterDomain)
      if let latest, latest.name == name { return latest.number }
      let number = numbers[name] ?? count
      numbers[name] = number
      latest = (name, number)
      return number
    }
  }
}

extension TrafficObject {
  /// Whether the object names the service by its short name, or is it.
  fileprivate func plainlyNames(_ service: NamespacedName) -> Bool {
    switch self {
    case .service(let object): object.id == service
    case .endpointSlice(let object): object.service == service.name && object.id.namespace == service.namespace
    case .destinationRule(let object): object.host == service.name && object.id.namespace == service.namespace
    case .virtualService(let object): object.hosts.first == service.name && object.id.namespace == service.namespace
    case .pod, .node, .namespace: false
    }
  }

  /// The service that reads the object, or the most likely one; its own name where it names none.
  fileprivate func relatedService(clusterDomain: String) -> NamespacedName {
    switch self {
    case .service(let object): object.id
    case .endpointSlice(let object): NamespacedName(namespace: object.id.namespace, name: object.service)
    case .destinationRule(let object): object.service(clusterDomain: clusterDomain) ?? object.id
    case .virtualService(let object):
      object.hosts.first.flatMap {
        HostName.service(written: $0, namespace: object.id.namespace, clusterDomain: clusterDomain)
      } ?? object.id
    case .pod(let object): object.id
    case .node, .namespace: key.id
    }
  }
}
