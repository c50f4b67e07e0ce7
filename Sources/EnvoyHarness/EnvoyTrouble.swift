/// What went wrong behind an Envoy while a load ran, whether or not a client noticed, from Envoy's own counters
/// (https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats and
/// …/configuration/http/http_conn_man/stats).
///
/// Routes carry retries, so "0 failed requests" alone would also be said of an endpoint that was taken out too late: the
/// request that met the closed port was sent again somewhere else. The counters tell.
///
/// The cluster `xds`, by which Envoy reaches Weir, is left out: a load goes on while Weir is away.
public struct EnvoyTrouble: Sendable, Hashable {
  /// Requests sent to a second host because the first failed (`upstream_rq_retry`, all clusters).
  public internal(set) var retries = 0
  /// Connections to endpoints that failed or timed out (`upstream_cx_connect_fail`, all clusters).
  public internal(set) var connectFailures = 0
  /// Requests whose route named a cluster that Envoy did not have (`no_cluster`, all listeners).
  public internal(set) var withoutCluster = 0
  /// Requests for which a cluster had no host to offer (`upstream_cx_none_healthy`, all clusters).
  public internal(set) var withoutHost = 0
  /// Each counter that grew, and by how much.
  public internal(set) var counters: [String: Int] = [:]

  public var isNone: Bool { counters.isEmpty }

  /// One line of counts.
  public var summary: String {
    "\(retries) retries, \(connectFailures) connect failures, \(withoutCluster) without cluster, "
      + "\(withoutHost) without host"
  }

  static let filter = #"\.(upstream_rq_retry|upstream_cx_connect_fail|upstream_cx_none_healthy|no_cluster)$"#

  init() {}

  init(_ growth: CounterGrowth) {
    counters = growth.byName.filter { !$0.key.hasPrefix("cluster.xds.") }
    for (name, count) in counters {
      switch name.split(separator: ".").last {
      case "upstream_rq_retry": retries += count
      case "upstream_cx_connect_fail": connectFailures += count
      case "upstream_cx_none_healthy": withoutHost += count
      default: withoutCluster += count
      }
    }
  }
}

/// By how much counters have grown over a series of samples.
///
/// A cluster's counters go with the cluster, and start at 0 when one of that name comes back. What was seen before stays
/// in the sum; what a counter did between its last sample and its cluster's end is lost.
struct CounterGrowth {
  private var last: [String: Int]?
  private(set) var byName: [String: Int] = [:]

  /// The first sample is what later ones are held against; a counter that is not in it began at 0.
  mutating func sample(_ counters: [String: Int]) {
    defer { last = counters }
    guard let last else { return }
    for (name, value) in counters {
      let before = last[name] ?? 0
      let grown = value >= before ? value - before : value
      if grown > 0 { byName[name, default: 0] += grown }
    }
  }
}

/// Samples an Envoy's counters from `begin` to `end`.
actor TroubleWatch {
  private let envoy: EnvoyProcess
  private var growth = CounterGrowth()
  private var sampling: Task<Void, any Error>?

  private init(_ envoy: EnvoyProcess) { self.envoy = envoy }

  /// - Parameter interval: how often to look between the two ends; nil for not at all.
  static func begin(_ envoy: EnvoyProcess, every interval: Duration?) async throws -> TroubleWatch {
    let watch = TroubleWatch(envoy)
    try await watch.sample()
    if let interval { await watch.sample(every: interval) }
    return watch
  }

  /// - Throws: whatever kept a sample from being taken; a gap must not look like quiet.
  func end() async throws -> EnvoyTrouble {
    if let sampling {
      sampling.cancel()
      do { try await sampling.value } catch is CancellationError {}
    }
    try await sample()
    return EnvoyTrouble(growth)
  }

  private func sample(every interval: Duration) {
    sampling = Task {
      while true {
        try await Task.sleep(for: interval)
        try await sample()
      }
    }
  }

  private func sample() async throws {
    growth.sample(try await envoy.statistics(matching: EnvoyTrouble.filter))
  }
}
