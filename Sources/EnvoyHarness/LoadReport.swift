public import NIOCore

/// What a load sends to: one request line and its headers.
public struct LoadTarget: Sendable, Hashable {
  /// The Host header.
  public var host: String
  public var path: String
  public var headers: [String: String]

  public init(host: String, path: String = "/", headers: [String: String] = [:]) {
    self.host = host
    self.path = path
    self.headers = headers
  }
}

/// One request's end.
public struct LoadResult: Sendable {
  public var target: LoadTarget
  /// 0 if no answer came.
  public var status: Int
  /// The backend's name and version, from its answer's headers.
  public var backend: String
  public var version: String
  /// When the request was due; in a closed loop the moment it was sent.
  public var due: NIODeadline
  public var sent: NIODeadline
  public var finished: NIODeadline
  /// Why it failed: a status other than 2xx, a reset, a timeout. nil if it did not.
  public var failure: String?
}

/// Exact counts of a load, and its first failures one by one.
public struct LoadReport: Sendable {
  public struct Failure: Sendable, CustomStringConvertible {
    public var target: LoadTarget
    public var reason: String
    /// Since the load began.
    public var at: Duration

    public var description: String { "at \(at.milliseconds) ms, \(target.host)\(target.path): \(reason)" }
  }

  /// Requests that have ended, well or not.
  public internal(set) var requests = 0
  public internal(set) var failed = 0
  public internal(set) var statuses: [Int: Int] = [:]
  /// Successful requests by the backend that answered.
  public internal(set) var backends: [String: Int] = [:]
  /// Successful requests by Host, then by the version that answered.
  public internal(set) var versions: [String: [String: Int]] = [:]
  /// At most the first 200; `failed` counts them all.
  public internal(set) var failures: [Failure] = []
  /// From the moment each request was due, so that a stall shows in all the requests that it held up.
  public internal(set) var latency = LatencyHistogram()
  /// From the moment each request was sent: what Envoy and the backend took, without the wait for a free connection.
  public internal(set) var latencyFromSending = LatencyHistogram()
  /// Connections that were opened.
  public internal(set) var connections = 0
  public internal(set) var duration = Duration.zero
  /// What Envoy counted meanwhile; nil while the load runs, and if its plan names no Envoy.
  public internal(set) var trouble: EnvoyTrouble?

  static let keptFailures = 200

  mutating func add(_ result: LoadResult, began: NIODeadline) {
    requests += 1
    if result.status != 0 { statuses[result.status, default: 0] += 1 }
    latency.add(.nanoseconds((result.finished - result.due).nanoseconds))
    latencyFromSending.add(.nanoseconds((result.finished - result.sent).nanoseconds))
    if let reason = result.failure {
      failed += 1
      if failures.count < Self.keptFailures {
        let at = Duration.nanoseconds((result.finished - began).nanoseconds)
        failures.append(Failure(target: result.target, reason: reason, at: at))
      }
    } else {
      backends[result.backend, default: 0] += 1
      versions[result.target.host, default: [:]][result.version, default: 0] += 1
    }
  }

  /// One line of counts.
  public var summary: String {
    let versions = self.versions.sorted { $0.key < $1.key }.map { host, counts in
      "\(host) " + counts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }.joined(separator: ", ")
    func percentiles(_ latency: LatencyHistogram) -> String {
      "p50 \(latency.percentile(0.5).milliseconds) ms, p99 \(latency.percentile(0.99).milliseconds) ms, "
        + "max \(latency.maximum.milliseconds) ms"
    }
    return "\(requests) requests in \(duration.milliseconds) ms, \(failed) failed"
      + (trouble.map { ", \($0.summary)" } ?? "") + "; \(versions); latency since due \(percentiles(latency)), "
      + "since sent \(percentiles(latencyFromSending)); \(connections) connections"
  }

  /// What a load that should cost nothing must not show, each with its evidence: requests that failed, and trouble that
  /// Envoy counted, hidden by a retry or not. Empty if all is well.
  public var complaints: [String] {
    var complaints: [String] = []
    if failed > 0 { complaints.append("\(failed) of \(requests) requests failed:\n\(failureList)") }
    if let trouble, !trouble.isNone {
      let counters = trouble.counters.sorted { $0.key < $1.key }.map { "\($0.key) +\($0.value)" }
      complaints.append("Envoy counted \(trouble.summary):\n" + counters.joined(separator: "\n"))
    }
    return complaints
  }

  /// The first failures, one a line, for a test's message.
  public var failureList: String { failures.prefix(10).map(\.description).joined(separator: "\n") }
}

extension Duration {
  /// Milliseconds with two decimals, for people.
  public var milliseconds: String {
    let hundredths = (wholeNanoseconds + 5_000) / 10_000
    let decimals = String(hundredths % 100)
    return "\(hundredths / 100).\(decimals.count == 1 ? "0" : "")\(decimals)"
  }
}
