internal import XDSSnapshot

/// Listeners and route tables that clients may hold, by their versions: a client that comes back says no more.
///
/// Of a listener that names no cluster, as most do not, the bytes are kept, one after the other, and it is made anew when it is asked for:
/// thousands of kinds of proxies that come and go, each with a listener of its own, would else leave hundreds of objects
/// behind, each on a page that nothing else is on.
struct SentResources: Sendable {
  /// What is to be kept, and how. Made before there is a lock: O(bytes).
  struct Item: Sendable {
    fileprivate let resource: Resource
    /// Of one that is packed.
    fileprivate let body: [UInt8]?

    init(_ resource: Resource, _ type: ResourceType) {
      self.resource = resource
      body = type == .listener ? resource.plainBody : nil
    }
  }

  /// What was found. It is made into a resource when there is no lock any more.
  enum Found: Sendable {
    case whole(Resource)
    /// The name and then the body.
    case packed([UInt8], name: Int)

    /// Nil if it has another name.
    func resource(_ name: String, version: ContentHash) -> Resource? {
      switch self {
      case .whole(let resource): return resource.name == name ? resource : nil
      case .packed(let bytes, let count):
        guard bytes.prefix(count).elementsEqual(name.utf8) else { return nil }
        return Resource(name: name, bytes: Array(bytes.dropFirst(count)), contentHash: version)
      }
    }
  }

  private enum Kept {
    case whole(Resource)
    /// From a place in all that was ever packed.
    case packed(at: Int, name: Int, body: Int)
  }

  private var kept: History<Kept>
  private var packed: [UInt8] = []
  /// Where the first byte of `packed` is in all that was ever packed.
  private var begin = 0
  /// Bytes at its beginning that nobody asks for any more: what was packed first is forgotten first.
  private var unused = 0

  /// - Parameter limit: so many are kept, the last ones.
  init(limit: Int) { kept = History(limit: limit) }

  /// Bytes that there is room for.
  var packedCapacity: Int { packed.capacity }

  /// - Parameter forgotten: gets what has to be let go of for it, by whoever holds a lock after that.
  mutating func add(_ item: Item, forgetting forgotten: inout [any Sendable]) {
    let version = item.resource.contentHash
    guard kept[version] == nil else { return }
    var new = Kept.whole(item.resource)
    if let body = item.body {
      let name = item.resource.name.utf8
      new = .packed(at: begin + packed.count, name: name.count, body: body.count)
      packed += name
      packed += body
    }
    switch kept.add(new, of: version) {
    case .whole(let resource): forgotten.append(resource)
    case .packed(_, let name, let body): unused += name + body
    case nil: break
    }
    guard unused > packed.count / 2 else { return }
    packed = Array(packed[unused...])
    begin += unused
    unused = 0
  }

  /// What has the version.
  func found(_ version: ContentHash) -> Found? {
    switch kept[version] {
    case .whole(let resource): .whole(resource)
    case .packed(let place, let name, let body):
      .packed(Array(packed[(place - begin)...].prefix(name + body)), name: name)
    case nil: nil
    }
  }
}

extension Resource {
  /// The bytes, if they are all there is to it.
  fileprivate var plainBody: [UInt8]? {
    guard case .bytes(let bytes) = body, references.isEmpty, ContentHash(bytes) == contentHash else { return nil }
    return bytes
  }
}
