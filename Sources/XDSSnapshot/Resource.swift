/// A part of a resource that is encoded once and shared: the bytes of one element of a repeated field, with its tag.
///
/// A fragment is a reference to immutable storage: copying one costs one retain, however many trees hold it.
@frozen
public struct Fragment: ReferencingElement {
  @usableFromInline final class Storage: Sendable {
    @usableFromInline let key: String
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let byteCount: Int
    @usableFromInline let bytes: [UInt8]
    @usableFromInline let references: [String]

    init(key: String, bytes: [UInt8], references: [String]) {
      self.key = key
      self.bytes = bytes
      byteCount = bytes.count
      contentHash = ContentHash(bytes)
      self.references = references
    }
  }
  @usableFromInline let storage: Storage

  public init(key: String, bytes: [UInt8], references: [String] = []) {
    storage = Storage(key: key, bytes: bytes, references: references)
  }

  @inlinable public var treeObject: any AnyObject & Sendable { storage }
  @inlinable public init(unsafeTreeObject: AnyObject) {
    storage = unsafeDowncast(unsafeTreeObject, to: Storage.self)
  }

  @inlinable public var key: String { storage.key }
  @inlinable public var bytes: [UInt8] { storage.bytes }
  @inlinable public var contentHash: ContentHash { storage.contentHash }
  @inlinable public var references: [String] { storage.references }
  @inlinable public var byteCount: Int { storage.byteCount }
}

/// One xDS resource: a name, a content version, and its encoded body.
///
/// A resource is a reference to immutable storage: copying one costs one retain, however many tables hold it.
@frozen
public struct Resource: ReferencingElement {
  public enum Body: Sendable {
    case bytes([UInt8])
    /// The concatenation of a header and of each part's fragments: protobuf allows a message to be written so. Nothing is
    /// flattened until a response is written. The fragments of a part are in their tree's order, that of their keys'
    /// hashes: the same in every process, and without a meaning.
    case fragments(header: [UInt8], parts: [ReferencedTree<Fragment>])
    /// A header, the bytes of one fragment from an offset on, and a trailer: an element of one resource that is a resource of
    /// its own as well, under another name, and with more fields.
    case element(header: [UInt8], fragment: Fragment, offset: Int, trailer: [UInt8])
  }

  @usableFromInline final class Storage: Sendable {
    @usableFromInline let name: String
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let byteCount: Int
    @usableFromInline let body: Body
    @usableFromInline let references: [String]

    init(name: String, body: Body, contentHash: ContentHash, byteCount: Int, references: [String]) {
      self.name = name
      self.body = body
      self.contentHash = contentHash
      self.byteCount = byteCount
      self.references = references
    }
  }
  @usableFromInline let storage: Storage

  @inlinable public var name: String { storage.name }
  @inlinable public var body: Body { storage.body }
  /// The hash of the body: equal bytes, equal version, in every process.
  @inlinable public var contentHash: ContentHash { storage.contentHash }
  @inlinable public var byteCount: Int { storage.byteCount }
  /// Clusters that the resource names as a whole (a TCP listener's). For a body of fragments, ask `references(_:)`. Where
  /// endpoints are resources of their own: the collections of an assignment, and the collection of an endpoint.
  @inlinable public var references: [String] { storage.references }

  @inlinable public var treeObject: any AnyObject & Sendable { storage }
  @inlinable public init(unsafeTreeObject: AnyObject) {
    storage = unsafeDowncast(unsafeTreeObject, to: Storage.self)
  }

  @inlinable public var key: String { storage.name }
  /// The version on the wire.
  public var version: String { contentHash.text }

  public init(name: String, bytes: [UInt8], references: [String] = []) {
    storage = Storage(
      name: name, body: .bytes(bytes), contentHash: ContentHash(bytes), byteCount: bytes.count, references: references)
  }

  /// A stand-in that is never sent, with a hash of its own making.
  public init(name: String, bytes: [UInt8], contentHash: ContentHash) {
    storage = Storage(name: name, body: .bytes(bytes), contentHash: contentHash, byteCount: bytes.count, references: [])
  }

  /// A resource whose bytes do not have its name in them: its version covers both.
  public init(name: String, namelessBytes bytes: [UInt8], references: [String] = []) {
    storage = Storage(
      name: name, body: .bytes(bytes), contentHash: ContentHash(ContentHash(text: name), ContentHash(bytes)),
      byteCount: bytes.count, references: references)
  }

  /// O(parts): the fragments' hashes and sizes are already there.
  public init(name: String, header: [UInt8], parts: [ReferencedTree<Fragment>], references: [String] = []) {
    storage = Storage(
      name: name, body: .fragments(header: header, parts: parts),
      contentHash: parts.reduce(ContentHash(header)) { ContentHash($0, $1.contentHash) },
      byteCount: parts.reduce(header.count) { $0 + $1.tree.byteCount }, references: references)
  }

  /// Shares the fragment's bytes but for its first `offset`, which the header stands for. O(header and trailer).
  public init(
    name: String, header: [UInt8], elementOf fragment: Fragment, from offset: Int, trailer: [UInt8] = []
  ) {
    precondition((0...fragment.byteCount).contains(offset), "an offset of \(offset) in \(fragment.byteCount) bytes")
    storage = Storage(
      name: name, body: .element(header: header, fragment: fragment, offset: offset, trailer: trailer),
      contentHash: ContentHash(ContentHash(header), fragment.contentHash, ContentHash(trailer)),
      byteCount: header.count + fragment.byteCount - offset + trailer.count, references: fragment.references)
  }

  /// Whether the resource names the cluster. O(1) in the size of the resource.
  public func references(_ cluster: String) -> Bool {
    switch body {
    case .bytes, .element: references.contains(cluster)
    case .fragments(_, let parts): parts.contains { $0.references(cluster) }
    }
  }

  /// Visits the body's bytes part by part, in the order of `Body`.
  public func forEachChunk(_ visit: (ArraySlice<UInt8>) throws -> Void) rethrows {
    switch body {
    case .bytes(let bytes): try visit(bytes[...])
    case .fragments(let header, let parts):
      try visit(header[...])
      for part in parts { try part.tree.forEach { try visit($0.bytes[...]) } }
    case .element(let header, let fragment, let offset, let trailer):
      try visit(header[...])
      try visit(fragment.bytes[offset...])
      try visit(trailer[...])
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
  @inlinable public static func == (a: Self, b: Self) -> Bool {
    if a.storage === b.storage { return true }
    return a.contentHash == b.contentHash && a.key == b.key && a.references == b.references
  }
}

/// Equal name, body (by hash) and references.
extension Resource: Equatable {
  @inlinable public static func == (a: Self, b: Self) -> Bool {
    if a.storage === b.storage { return true }
    return a.contentHash == b.contentHash && a.name == b.name && a.references == b.references
  }
}
