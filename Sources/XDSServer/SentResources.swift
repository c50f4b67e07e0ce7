internal import XDSSnapshot

/// Listeners and route tables that clients may hold, by their versions: a client that comes back says no more.
///
/// Of a listener that names no cluster, as most do not, the bytes are kept, one after the other, and it is made anew when it is asked for:
/// thousands of kinds of proxies that come and go, each with a listener of its own, would else leave hundreds of objects
/// behind, each on a page that nothing else is on.
struct SentResources: Sendable {
  private enum Kept {
    case whole(Resource)
    /// The name and then the body, from a place in all that was ever packed.
    case packed(at: Int, name: Int, body: Int)

    var packedSize: Int {
      if case .packed(_, let name, let body) = self { name + body } else { 0 }
    }
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

  mutating func add(_ resource: Resource, _ type: ResourceType) {
    guard kept[resource.contentHash] == nil else { return }
    var forgotten: Kept?
    if type == .listener, let body = resource.plainBody {
      let name = resource.name.utf8
      let place = Kept.packed(at: begin + packed.count, name: name.count, body: body.count)
      packed += name
      packed += body
      forgotten = kept.add(place, of: resource.contentHash)
    } else {
      forgotten = kept.add(.whole(resource), of: resource.contentHash)
    }
    unused += forgotten?.packedSize ?? 0
    guard unused > packed.count / 2 else { return }
    packed = Array(packed[unused...])
    begin += unused
    unused = 0
  }

  /// Nil if nothing of this name has the version.
  func resource(_ name: String, version: ContentHash) -> Resource? {
    switch kept[version] {
    case .whole(let resource): return resource.name == name ? resource : nil
    case .packed(let place, let nameCount, let bodyCount):
      let body = place - begin + nameCount
      guard packed[(place - begin)..<body].elementsEqual(name.utf8) else { return nil }
      return Resource(name: name, bytes: Array(packed[body..<(body + bodyCount)]))
    case nil: return nil
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
