public import Foundation

/// What `GET /v1/safe-to-terminate` is asked: an endpoint, or a subset of a service.
public struct TerminationRequest: Sendable, Hashable {
  public enum Subject: Sendable, Hashable {
    /// `IP:PORT`, as in an EndpointSlice.
    case endpoint(String)
    /// A service as in `reviews.shop`; an empty subset is the whole service, and no port stands for all.
    case subset(String, service: String, port: UInt16?)
  }
  public var subject: Subject
  /// How long the answer may wait until it is yes.
  public var wait: Duration

  public init(_ subject: Subject, wait: Duration = .zero) {
    self.subject = subject
    self.wait = wait
  }
}

/// Whether any proxy can still pick something.
public struct TerminationReport: Codable, Sendable, Hashable {
  public var safe: Bool
  /// Where it can be picked by what is served now.
  public var served: [String]
  /// Proxies that can still pick it.
  public var proxies: [Holder]
  /// How many were asked.
  public var total: Int

  public init(safe: Bool, served: [String], proxies: [Holder], total: Int) {
    self.safe = safe
    self.served = served
    self.proxies = proxies
    self.total = total
  }

  public struct Holder: Codable, Sendable, Hashable {
    public var nodeID: String
    public var remoteAddress: String
    /// Where it may pick it; empty if that is not known.
    public var resources: [String]
    public var disconnectedSince: Date?

    public init(nodeID: String, remoteAddress: String, resources: [String], disconnectedSince: Date?) {
      self.nodeID = nodeID
      self.remoteAddress = remoteAddress
      self.resources = resources
      self.disconnectedSince = disconnectedSince
    }
  }
}
