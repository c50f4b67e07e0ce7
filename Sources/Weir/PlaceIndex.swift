internal import TrafficModel

/// Where a proxy may be: a pod, or an address.
enum Place: Hashable {
  case pod(NamespacedName)
  case address(String)
}

/// Which EndpointSlices may have an endpoint at a place. To look through all of them for each proxy that comes took 30 ms with
/// 5,000 services.
///
/// It keeps 32 bits of hash for a place, some 40 bytes for an endpoint in all, so it may name a slice that has none there: look.
struct PlaceIndex {
  private struct Entry {
    var id: NamespacedName
    /// Of its places; ascending, each once.
    var hashes: [UInt32]
  }

  private var entries: [Entry] = []
  private var numbers: [NamespacedName: UInt32] = [:]
  private var unused: [UInt32] = []
  /// Hash → one entry's number. Few places are in more than one slice.
  private var first: [UInt32: UInt32] = [:]
  /// The other entries' numbers.
  private var others: [UInt32: Set<UInt32>] = [:]

  /// The slices that may have an endpoint there.
  func slices(at place: Place) -> [NamespacedName] {
    let hash = Self.hash(place)
    guard let number = first[hash] else { return [] }
    return [entries[Int(number)].id] + (others[hash] ?? []).map { entries[Int($0)].id }
  }

  /// Takes a new version of a slice, or its first. O(its endpoints).
  mutating func replace(_ slice: EndpointSlice) {
    var all: [UInt32] = []
    all.reserveCapacity(2 * slice.endpoints.count)
    for place in slice.places { all.append(Self.hash(place)) }
    all.sort()
    var hashes: [UInt32] = []
    hashes.reserveCapacity(all.count)
    for hash in all where hash != hashes.last { hashes.append(hash) }
    set(hashes, of: number(of: slice.id))
  }

  mutating func remove(_ id: NamespacedName) {
    guard let number = numbers.removeValue(forKey: id) else { return }
    set([], of: number)
    unused.append(number)
  }

  private mutating func number(of id: NamespacedName) -> UInt32 {
    if let number = numbers[id] { return number }
    let number: UInt32
    if let free = unused.popLast() {
      number = free
      entries[Int(number)].id = id
    } else {
      number = UInt32(entries.count)
      entries.append(Entry(id: id, hashes: []))
    }
    numbers[id] = number
    return number
  }

  /// Only what differs is touched.
  private mutating func set(_ hashes: [UInt32], of number: UInt32) {
    let before = entries[Int(number)].hashes
    entries[Int(number)].hashes = hashes
    var (old, new) = (0, 0)
    while old < before.count || new < hashes.count {
      if new == hashes.count || (old < before.count && before[old] < hashes[new]) {
        drop(before[old], number)
        old += 1
      } else if old == before.count || hashes[new] < before[old] {
        add(hashes[new], number)
        new += 1
      } else {
        old += 1
        new += 1
      }
    }
  }

  private mutating func add(_ hash: UInt32, _ number: UInt32) {
    if first[hash] == nil { first[hash] = number } else { others[hash, default: []].insert(number) }
  }

  private mutating func drop(_ hash: UInt32, _ number: UInt32) {
    if first[hash] == number {
      first[hash] = others[hash]?.popFirst()
    } else {
      others[hash]?.remove(number)
    }
    if others[hash]?.isEmpty == true { others[hash] = nil }
  }

  private static func hash(_ place: Place) -> UInt32 { UInt32(truncatingIfNeeded: place.hashValue) }
}

extension EndpointSlice {
  /// Where its endpoints are; each pod and each address.
  var places: [Place] {
    var places: [Place] = []
    places.reserveCapacity(2 * endpoints.count)
    for endpoint in endpoints {
      if let pod = endpoint.pod { places.append(.pod(pod)) }
      for address in endpoint.addresses { places.append(.address(address)) }
    }
    return places
  }
}
