public import Foundation

/// One connected proxy: who it is, and what it holds.
public struct ProxyReport: Codable, Sendable, Hashable {
  /// The variant of xDS that its stream speaks.
  public enum StreamProtocol: String, Codable, Sendable, Hashable {
    case delta
    /// State of the world.
    case sotw
  }

  public var nodeID: String
  public var namespace: String
  /// `sidecar`.
  public var kind: String
  public var `protocol`: StreamProtocol
  public var remoteAddress: String
  public var connectedSince: Date
  /// One for each type that the proxy has asked for.
  public var types: [TypeReport]

  public init(
    nodeID: String, namespace: String, kind: String, protocol: StreamProtocol, remoteAddress: String,
    connectedSince: Date, types: [TypeReport] = []
  ) {
    self.nodeID = nodeID
    self.namespace = namespace
    self.kind = kind
    self.protocol = `protocol`
    self.remoteAddress = remoteAddress
    self.connectedSince = connectedSince
    self.types = types
  }
}

/// The state of one resource type on one proxy.
public struct TypeReport: Codable, Sendable, Hashable {
  public var type: ResourceKind
  /// How many names it has subscribed to.
  public var subscribed: Int
  /// Whether it has subscribed to everything of the type.
  public var wildcard: Bool
  /// What it has accepted, or came back with; nil before that.
  public var heldVersion: String?
  /// What it holds once it has answered what is in flight.
  public var sentVersion: String?
  /// Whether that response waits for its ACK.
  public var inFlight: Bool
  /// How many generations of the type's table it is behind.
  public var lag: UInt64
  /// What is not sent yet, so that nothing breaks before its replacement is there.
  public var heldBack: [HeldItem]
  public var lastNack: Nack?

  public init(
    type: ResourceKind, subscribed: Int, wildcard: Bool, heldVersion: String?, sentVersion: String?, inFlight: Bool,
    lag: UInt64, heldBack: [HeldItem] = [], lastNack: Nack? = nil
  ) {
    self.type = type
    self.subscribed = subscribed
    self.wildcard = wildcard
    self.heldVersion = heldVersion
    self.sentVersion = sentVersion
    self.inFlight = inFlight
    self.lag = lag
    self.heldBack = heldBack
    self.lastNack = lastNack
  }

  /// A resource, or the removal of one, that waits.
  public struct HeldItem: Codable, Sendable, Hashable {
    public var name: String
    public var reason: String

    public init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }

  /// A response that the proxy refused.
  public struct Nack: Codable, Sendable, Hashable {
    /// The proxy's own words.
    public var reason: String
    /// The resources of the refused response.
    public var resources: [String]
    public var at: Date

    public init(reason: String, resources: [String], at: Date) {
      self.reason = reason
      self.resources = resources
      self.at = at
    }
  }
}
