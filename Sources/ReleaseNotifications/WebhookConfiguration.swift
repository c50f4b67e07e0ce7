/// Who is told of releases, or asked about them.
public struct WebhookConfiguration: Sendable, Hashable, Codable {
  /// Names its queue: a webhook that gets another name starts with an empty one.
  public var name: String
  public var url: String
  public var kind: WebhookKind
  /// Signs requests, in the way of the kind.
  public var secret: Secret?
  /// The actions that it is told of; all if empty.
  public var events: [String]
  /// The point at which it is asked; nil for one that is only told.
  public var gate: Gate?
  /// For one request, in seconds.
  public var timeout: Double
  /// How often a notification is tried again before it is given up.
  public var retries: Int
  /// How many checks of a gate that counts them may fail before the release fails.
  public var failureThreshold: Int
  /// Sent along with every request of kind `generic`.
  public var metadata: [String: String]

  public init(
    name: String, url: String, kind: WebhookKind = .generic, secret: Secret? = nil, events: [String] = [],
    gate: Gate? = nil, timeout: Double = 10, retries: Int = 12, failureThreshold: Int = 1,
    metadata: [String: String] = [:]
  ) {
    self.name = name
    self.url = url
    self.kind = kind
    self.secret = secret
    self.events = events
    self.gate = gate
    self.timeout = timeout
    self.retries = retries
    self.failureThreshold = failureThreshold
    self.metadata = metadata
  }

  /// A word that does not show when it is printed.
  public struct Secret: Sendable, Hashable, Codable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
  {
    let text: String
    public init(_ text: String) { self.text = text }
    public init(from decoder: any Decoder) throws { text = try decoder.singleValueContainer().decode(String.self) }
    public func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      try container.encode(text)
    }
    public var description: String { "(secret)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, url, kind, secret, events, gate, timeout, retries, failureThreshold, metadata
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(name: try values.decode(String.self, forKey: .name), url: try values.decode(String.self, forKey: .url))
    func read<Value: Decodable>(_ key: CodingKeys, _ into: WritableKeyPath<Self, Value>) throws {
      if let value = try values.decodeIfPresent(Value.self, forKey: key) { self[keyPath: into] = value }
    }
    try read(.kind, \.kind)
    secret = try values.decodeIfPresent(Secret.self, forKey: .secret)
    try read(.events, \.events)
    gate = try values.decodeIfPresent(Gate.self, forKey: .gate)
    try read(.timeout, \.timeout)
    try read(.retries, \.retries)
    try read(.failureThreshold, \.failureThreshold)
    try read(.metadata, \.metadata)
  }
}

/// What a webhook understands.
public enum WebhookKind: String, Sendable, Hashable, Codable, CaseIterable {
  /// All that there is to say, as JSON, signed in headers.
  case generic
  /// A group robot of WeCom (企业微信). It has no signature: its key is in the URL.
  case wecom
  /// A group robot of DingTalk (钉钉), signed in the query.
  case dingtalk
  /// A custom bot of Feishu (飞书) or Lark, signed in the body.
  case feishu
  /// An incoming webhook of Slack. It has no signature: its key is in the URL.
  case slack
}
