/// A part of a resource that is encoded once and shared: the bytes of one element of a repeated field, with its tag.
public struct Fragment: ReferencingElement {
  public let key: String
  public let bytes: [UInt8]
  public let contentHash: ContentHash
  public let references: [String]

  public init(key: String, bytes: [UInt8], references: [String] = []) {
    self.key = key
    self.bytes = bytes
    contentHash = ContentHash(bytes)
    self.references = references
  }

  public var byteCount: Int { bytes.count }
}

/// One xDS resource: a name, a content version, and its encoded body.
public struct Resource: ReferencingElement {
  public enum Body: Sendable {
    case bytes([UInt8])
    /// The concatenation of a header and of each part's fragments in key order: protobuf allows a message to be written
    /// so. Nothing is flattened until a response is written.
    case fragments(header: [UInt8], parts: [ReferencedTree<Fragment>])
  }

  public let name: String
  public let body: Body
  /// The hash of the body: equal bytes, equal version, in every process.
  public let contentHash: ContentHash
  public let byteCount: Int
  /// Clusters that the resource names as a whole (a TCP listener's). For a body of fragments, ask `references(_:)`.
  public let references: [String]

  public var key: String { name }
  /// The version on the wire.
  public var version: String { contentHash.text }

  public init(name: String, bytes: [UInt8], references: [String] = []) {
    self.name = name
    body = .bytes(bytes)
    contentHash = ContentHash(bytes)
    byteCount = bytes.count
    self.references = references
  }

  /// O(parts): the fragments' hashes and sizes are already there.
  public init(name: String, header: [UInt8], parts: [ReferencedTree<Fragment>]) {
    self.name = name
    body = .fragments(header: header, parts: parts)
    contentHash = parts.reduce(ContentHash(header)) { ContentHash($0, $1.contentHash) }
    byteCount = parts.reduce(header.count) { $0 + $1.tree.byteCount }
    references = []
  }

  /// Whether the resource names the cluster. O(1) in the size of the resource.
  public func references(_ cluster: String) -> Bool {
    switch body {
    case .bytes: references.contains(cluster)
    case .fragments(_, let parts): parts.contains { $0.references(cluster) }
    }
  }

  /// Visits the body's bytes part by part, in order.
  public func forEachChunk(_ visit: ([UInt8]) throws -> Void) rethrows {
    switch body {
    case .bytes(let bytes): try visit(bytes)
    case .fragments(let header, let parts):
      try visit(header)
      for part in parts { try part.tree.forEach { try visit($0.bytes) } }
    }
  }

  /// The body in one piece; copies all of it.
  public func flattened() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    forEachChunk { bytes += $0 }
    return bytes
  }
}

/// Equal key, bytes (by hash) and references.
extension Fragment: Equatable {
  public static func == (a: Self, b: Self) -> Bool {
    a.contentHash == b.contentHash && a.key == b.key && a.references == b.references
  }
}

/// Equal name, body (by hash) and references.
extension Resource: Equatable {
  public static func == (a: Self, b: Self) -> Bool {
    a.contentHash == b.contentHash && a.name == b.name && a.references == b.references
  }
}
