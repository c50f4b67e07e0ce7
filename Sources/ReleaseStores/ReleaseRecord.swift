/// A thing that is kept under a name: a release, as JSON that the store does not look into.
public struct ReleaseRecord: Sendable, Hashable {
  public var id: String
  /// Of its last change. Each commit gives a higher one than all commits before it, so that none is used twice, not even
  /// by a record that was deleted and made again.
  public var revision: UInt64
  public var body: [UInt8]

  public init(id: String, revision: UInt64, body: [UInt8]) {
    self.id = id
    self.revision = revision
    self.body = body
  }
}

/// What happens to one record, and what must be so before it.
///
/// A name that must be free, as with one release for each service, is a record of its own that is created with the release.
public enum ReleaseWrite: Sendable, Hashable {
  /// There must be none of this id.
  case create(id: String, body: [UInt8])
  case update(id: String, revision: UInt64, body: [UInt8])
  case delete(id: String, revision: UInt64)
  /// Nothing happens to it, but it must be there as it was read.
  case require(id: String, revision: UInt64)

  public var id: String {
    switch self {
    case .create(let id, _), .update(let id, _, _), .delete(let id, _), .require(let id, _): id
    }
  }

  /// Nil where there must be none.
  var expected: UInt64? {
    switch self {
    case .create: nil
    case .update(_, let revision, _), .delete(_, let revision), .require(_, let revision): revision
    }
  }
}
