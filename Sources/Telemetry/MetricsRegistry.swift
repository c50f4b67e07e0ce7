private import Synchronization

/// One number that is read when the metrics are scraped.
public struct Sample: Sendable, Hashable {
  public var labels: [String: String]
  public var value: Double

  public init(labels: [String: String] = [:], _ value: Double) {
    self.labels = labels
    self.value = value
  }
}

/// All metrics of a process, and their rendering for Prometheus.
///
/// Instruments are made once, at start, and kept by whoever uses them; only making one and rendering take the lock.
/// Instruments of one name and different labels form a family, which must have one kind, one help text and one set of label
/// names:
///
/// ```swift
/// let acks = registry.counter("weir_acks_total", help: "Responses accepted.", labels: ["type": "cluster"])
/// acks.increment()
/// ```
///
/// Asking again for the same name and labels gives the same instrument. A name or a label that Prometheus would not read,
/// and a family that contradicts itself, are bugs of the caller and trap.
public final class MetricsRegistry: Sendable {
  enum Kind: String, Sendable { case counter, gauge, histogram }

  enum Source: Sendable {
    case counter(Counter)
    case gauge(Gauge)
    case histogram(Histogram)
    case reading(@Sendable () -> Double)
  }

  struct Family: Sendable {
    var kind: Kind
    var help: String
    /// Nil while only a collection feeds the family.
    var labelNames: [String]?
    var members: [LabelSet: Source] = [:]
    var collections: [@Sendable () -> [Sample]] = []
  }

  private let families = Mutex<[String: Family]>([:])

  public init() {}

  public func counter(_ name: String, help: String, labels: [String: String] = [:]) -> Counter {
    let source = member(name, .counter, help, labels) { .counter(Counter()) }
    guard case .counter(let counter) = source else { preconditionFailure("\(name) is read from a callback") }
    return counter
  }

  public func gauge(_ name: String, help: String, labels: [String: String] = [:]) -> Gauge {
    let source = member(name, .gauge, help, labels) { .gauge(Gauge()) }
    guard case .gauge(let gauge) = source else { preconditionFailure("\(name) is read from a callback") }
    return gauge
  }

  /// - Parameter bounds: those of the first call for a name and labels count.
  public func histogram(
    _ name: String, help: String, labels: [String: String] = [:], bounds: [Duration] = Histogram.latencyBounds
  ) -> Histogram {
    precondition(labels["le"] == nil, "the label le belongs to the histogram")
    let source = member(name, .histogram, help, labels) { .histogram(Histogram(bounds: bounds)) }
    guard case .histogram(let histogram) = source else { preconditionFailure("\(name) is not a histogram") }
    return histogram
  }

  /// A gauge whose value is read at each scrape. The callback runs on the scraping thread, outside the registry's lock.
  public func gauge(
    _ name: String, help: String, labels: [String: String] = [:], read: @escaping @Sendable () -> Double
  ) {
    _ = member(name, .gauge, help, labels) { .reading(read) }
  }

  /// A counter that is kept elsewhere and read at each scrape.
  public func counter(
    _ name: String, help: String, labels: [String: String] = [:], read: @escaping @Sendable () -> Double
  ) {
    _ = member(name, .counter, help, labels) { .reading(read) }
  }

  /// Gauges whose label values are known only at the scrape, such as problems by file. The labels that a collection gives
  /// must be few: each is a time series. A sample that repeats another's labels is left out.
  public func gauges(_ name: String, help: String, collect: @escaping @Sendable () -> [Sample]) {
    precondition(isMetricName(name), "\(name) is not a name of a metric")
    families.withLock {
      var family = $0[name] ?? Family(kind: .gauge, help: help)
      precondition(family.kind == .gauge, "\(name) is a \(family.kind.rawValue) already")
      family.collections.append(collect)
      $0[name] = family
    }
  }

  private func member(
    _ name: String, _ kind: Kind, _ help: String, _ labels: [String: String], make: () -> Source
  ) -> Source {
    precondition(isMetricName(name), "\(name) is not a name of a metric")
    let labels = LabelSet(labels)
    for label in labels.names { precondition(isLabelName(label), "\(label) is not a name of a label") }
    return families.withLock {
      var family = $0[name] ?? Family(kind: kind, help: help)
      precondition(family.kind == kind, "\(name) is a \(family.kind.rawValue) already")
      precondition(
        family.labelNames == nil || family.labelNames == labels.names,
        "\(name) has the labels \(family.labelNames ?? []) already")
      family.labelNames = labels.names
      if let existing = family.members[labels] { return existing }
      let source = make()
      family.members[labels] = source
      $0[name] = family
      return source
    }
  }

  /// The families by name; the lock is released before anything is read or rendered.
  func sortedFamilies() -> [(name: String, family: Family)] {
    families.withLock { $0 }.sorted { $0.key < $1.key }.map { (name: $0.key, family: $0.value) }
  }
}

/// Labels in the order of their names.
struct LabelSet: Sendable, Hashable, Comparable {
  var names: [String]
  var values: [String]

  init(_ labels: [String: String]) {
    let sorted = labels.sorted { $0.key < $1.key }
    names = sorted.map(\.key)
    values = sorted.map(\.value)
  }

  static func < (a: Self, b: Self) -> Bool {
    a.names != b.names
      ? a.names.lexicographicallyPrecedes(b.names) : a.values.lexicographicallyPrecedes(b.values)
  }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
private func isMetricName(_ name: String) -> Bool {
  isIdentifier(name) { $0 == UInt8(ascii: ":") }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, and not one of Prometheus's own, which begin with two underscores.
func isLabelName(_ name: String) -> Bool {
  !name.hasPrefix("__") && isIdentifier(name) { _ in false }
}

private func isIdentifier(_ name: String, allowing isAllowed: (UInt8) -> Bool) -> Bool {
  guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
  return name.utf8.allSatisfy {
    switch $0 {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: isAllowed($0)
    }
  }
}
