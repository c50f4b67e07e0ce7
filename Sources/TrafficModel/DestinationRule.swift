/// An Istio `DestinationRule` (networking.istio.io v1, v1beta1, v1alpha3).
public struct DestinationRule: Sendable, Hashable {
  public var id: NamespacedName
  /// As written: a short name belongs to the rule's namespace. `HostName.resolve` gives the full name.
  public var host: String
  public var loadBalancer: LoadBalancer?
  public var subsets: [Subset]

  public init(id: NamespacedName, host: String, loadBalancer: LoadBalancer? = nil, subsets: [Subset] = []) {
    self.id = id
    self.host = host
    self.loadBalancer = loadBalancer
    self.subsets = subsets
  }

  /// A version of a service: the endpoints whose pods carry all of these labels.
  public struct Subset: Sendable, Hashable {
    public var name: String
    public var labels: [String: String]
    /// In place of the rule's own.
    public var loadBalancer: LoadBalancer?

    public init(name: String, labels: [String: String], loadBalancer: LoadBalancer? = nil) {
      self.name = name
      self.labels = labels
      self.loadBalancer = loadBalancer
    }
  }
}

/// `LoadBalancerSettings`.
public enum LoadBalancer: Sendable, Hashable {
  case roundRobin
  /// `LEAST_REQUEST`, `LEAST_CONN`, and Istio's default.
  case leastRequest
  case random
  case consistentHash(key: HashKey, table: HashTable)

  public enum HashKey: Sendable, Hashable {
    case header(String)
    case cookie(name: String, path: String, ttlMilliseconds: UInt64?)
    case queryParameter(String)
    case sourceIP
  }

  public enum HashTable: Sendable, Hashable {
    case ring(minimumSize: UInt64)
    case maglev(tableSize: UInt64?)
  }
}

extension LoadBalancer.HashTable {
  /// The largest `minimum_ring_size` that Envoy takes (`RingHashLbConfig`).
  public static let largestRing: UInt64 = 8_388_608
  /// The largest `table_size` that Envoy takes (`MaglevLbConfig`); it must be a prime number, too.
  public static let largestMaglev: UInt64 = 5_000_011

  /// Whether Envoy takes a table of this size. A cluster with another would be refused, and the whole update with it.
  public var isValid: Bool {
    switch self {
    case .ring(let size): size <= Self.largestRing
    case .maglev(let size?): size <= Self.largestMaglev && Self.isPrime(size)
    case .maglev(nil): true
    }
  }

  /// By trial division: at most some thousand steps for the sizes that are looked at.
  private static func isPrime(_ number: UInt64) -> Bool {
    guard number > 3 else { return number > 1 }
    guard !number.isMultiple(of: 2) else { return false }
    var divisor: UInt64 = 3
    while divisor * divisor <= number {
      if number.isMultiple(of: divisor) { return false }
      divisor += 2
    }
    return true
  }
}
