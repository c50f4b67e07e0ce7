public import TrafficModel

/// `{"exact": "yes"}`, `{"prefix": "beta-"}`, `{"regex": "b.*"}` or `{"present": true}`.
extension StringMatch: Codable {
  private enum Key: String, CodingKey, CaseIterable { case exact, prefix, regex, present }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    guard container.allKeys.count == 1, let key = container.allKeys.first else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "one of exact, prefix, regex, present is needed"))
    }
    switch key {
    case .exact: self = .exact(try container.decode(String.self, forKey: key))
    case .prefix: self = .prefix(try container.decode(String.self, forKey: key))
    case .regex: self = .regex(try container.decode(String.self, forKey: key))
    case .present:
      guard try container.decode(Bool.self, forKey: key) else {
        throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "present can only be true")
      }
      self = .present
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .exact(let text): try container.encode(text, forKey: .exact)
    case .prefix(let text): try container.encode(text, forKey: .prefix)
    case .regex(let text): try container.encode(text, forKey: .regex)
    case .present: try container.encode(true, forKey: .present)
    }
  }
}

/// `{"headers": {"x-preview": {"present": true}}, "cookies": {…}, "query": {…}}`.
extension RequestRule: Codable {
  private enum Key: String, CodingKey { case headers, cookies, query }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init(
      headers: try container.decodeIfPresent([String: StringMatch].self, forKey: .headers) ?? [:],
      cookies: try container.decodeIfPresent([String: StringMatch].self, forKey: .cookies) ?? [:],
      queryParameters: try container.decodeIfPresent([String: StringMatch].self, forKey: .query) ?? [:])
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    if !headers.isEmpty { try container.encode(headers, forKey: .headers) }
    if !cookies.isEmpty { try container.encode(cookies, forKey: .cookies) }
    if !queryParameters.isEmpty { try container.encode(queryParameters, forKey: .query) }
  }
}

/// `{"cookie": "version", "ttl": 3600}` or `{"header": "x-user"}`.
extension Stickiness: Codable {
  private enum Key: String, CodingKey { case cookie, ttl, header }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    if let name = try container.decodeIfPresent(String.self, forKey: .cookie) {
      self = .cookie(name: name, ttlSeconds: try container.decodeIfPresent(UInt64.self, forKey: .ttl) ?? 0)
    } else {
      self = .header(try container.decode(String.self, forKey: .header))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .cookie(let name, let seconds):
      try container.encode(name, forKey: .cookie)
      try container.encode(seconds, forKey: .ttl)
    case .header(let name): try container.encode(name, forKey: .header)
    }
  }
}
