internal import TrafficModel
internal import XDSServer

/// Which proxies are endpoints of services, by what EndpointSlices say: a sidecar's own pod is one as a rule. When Kubernetes takes
/// a pod out of its slices, its proxy is gone, and nobody needs to wait for it.
///
/// A proxy is the pod that has its node id for a name, in the proxy's namespace or, as in `POD.NAMESPACE` and in Istio's
/// `sidecar~IP~POD.NAMESPACE~DOMAIN`, in the one that it names; or the pod whose address it has, or connects from. Of loopback
/// addresses nothing follows. A proxy that has been no endpoint is never said to be gone. Nor is one whose last slice was deleted as
/// a whole: so goes a Service, and its pods may stay.
struct ProxyPlaces {
  /// What is new of proxies after a change.
  struct News: Sendable, Equatable {
    /// Kubernetes has taken them out of their last slice.
    var gone: Set<KnownProxy.Key> = []
    /// They were gone, and are endpoints again.
    var back: Set<KnownProxy.Key> = []
    /// Those that are in other slices than before: in which.
    var slices: [KnownProxy.Key: [String]] = [:]
  }

  private enum Place: Hashable {
    case pod(NamespacedName)
    case address(String)

    var name: String {
      switch self {
      case .pod(let pod): pod.name
      case .address(let address): address
      }
    }
  }

  private struct Proxy {
    var places: [Place]
    var slices: Set<NamespacedName> = []
    var isGone = false
  }

  private var proxies: [KnownProxy.Key: Proxy] = [:]
  private var byPlace: [Place: Set<KnownProxy.Key>] = [:]
  /// The proxies in each slice that has any.
  private var members: [NamespacedName: Set<KnownProxy.Key>] = [:]

  /// Follows more proxies. O(all endpoints), if there are any that were not followed, or are elsewhere; some nanoseconds for
  /// each that is nobody's.
  ///
  /// - Parameters:
  ///   - known: with the slices that each was in, where a process before this one has kept that.
  ///   - slices: all that there are.
  mutating func follow(
    _ known: [(proxy: KnownProxy, slices: [String])], in slices: some Sequence<EndpointSlice>
  ) -> News {
    var news = News()
    var fresh: [KnownProxy.Key: Set<NamespacedName>] = [:]
    for (proxy, slices) in known {
      let places = Self.places(of: proxy)
      if let former = proxies[proxy.key] {
        if former.places == places { continue }
        // It is elsewhere now.
        forget([proxy.key])
        if former.isGone { news.back.insert(proxy.key) }
      }
      proxies[proxy.key] = Proxy(places: places)
      for place in places { byPlace[place, default: []].insert(proxy.key) }
      fresh[proxy.key] = Set(slices.compactMap(NamespacedName.init(written:)))
    }
    guard !fresh.isEmpty else { return news }
    let wasSomewhere = fresh.values.contains { !$0.isEmpty }
    var sieve = Sieve()
    for key in fresh.keys { proxies[key]?.places.forEach { sieve.add($0.name) } }
    var present: Set<NamespacedName> = []
    for slice in slices {
      if wasSomewhere { present.insert(slice.id) }
      for key in found(in: slice, sieve) where fresh[key] != nil {
        proxies[key]?.slices.insert(slice.id)
        members[slice.id, default: []].insert(key)
      }
    }
    for (key, before) in fresh {
      let now = proxies[key]?.slices ?? []
      if now != before { news.slices[key] = now.map(\.description).sorted() }
      // While nobody looked it was taken out of a slice that is still there.
      if now.isEmpty, !before.isDisjoint(with: present) { leave(key, &news) }
    }
    return news
  }

  mutating func forget(_ keys: [KnownProxy.Key]) {
    for key in keys {
      guard let proxy = proxies.removeValue(forKey: key) else { continue }
      for place in proxy.places {
        byPlace[place]?.remove(key)
        if byPlace[place]?.isEmpty == true { byPlace[place] = nil }
      }
      for slice in proxy.slices { remove(key, from: slice) }
    }
  }

  /// Slices have changed. O(their endpoints), if anybody is followed.
  mutating func take(_ edits: [Edit]) -> News {
    var news = News()
    guard !proxies.isEmpty else { return news }
    // What one slice loses another may get in the same change: only the end counts.
    var left: Set<KnownProxy.Key> = []
    var touched: Set<KnownProxy.Key> = []
    for edit in edits {
      switch edit {
      case .upsert(.endpointSlice(let slice)):
        let now = found(in: slice)
        let before = members[slice.id] ?? []
        for key in before.subtracting(now) {
          proxies[key]?.slices.remove(slice.id)
          remove(key, from: slice.id)
          left.insert(key)
        }
        for key in now.subtracting(before) {
          proxies[key]?.slices.insert(slice.id)
          members[slice.id, default: []].insert(key)
        }
        touched.formUnion(before.symmetricDifference(now))
      case .delete(let key) where key.kind == .endpointSlice:
        let before = members.removeValue(forKey: key.id) ?? []
        for member in before { proxies[member]?.slices.remove(key.id) }
        touched.formUnion(before)
      default: break
      }
    }
    for key in touched {
      guard let proxy = proxies[key] else { continue }
      news.slices[key] = proxy.slices.map(\.description).sorted()
      if proxy.slices.isEmpty {
        if left.contains(key) { leave(key, &news) }
      } else if proxy.isGone {
        proxies[key]?.isGone = false
        news.back.insert(key)
      }
    }
    return news
  }

  private mutating func leave(_ key: KnownProxy.Key, _ news: inout News) {
    proxies[key]?.isGone = true
    news.gone.insert(key)
  }

  private mutating func remove(_ key: KnownProxy.Key, from slice: NamespacedName) {
    members[slice]?.remove(key)
    if members[slice]?.isEmpty == true { members[slice] = nil }
  }

  /// The proxies that are endpoints of a slice.
  ///
  /// - Parameter sieve: what is not in it need not be found.
  private func found(in slice: EndpointSlice, _ sieve: Sieve? = nil) -> Set<KnownProxy.Key> {
    var found: Set<KnownProxy.Key> = []
    func look(_ name: String, at place: @autoclosure () -> Place) {
      guard sieve?.mayHold(name) ?? true, let keys = byPlace[place()] else { return }
      found.formUnion(keys)
    }
    for endpoint in slice.endpoints {
      if let pod = endpoint.pod { look(pod.name, at: .pod(pod)) }
      for address in endpoint.addresses { look(address, at: .address(address)) }
    }
    return found
  }

  /// A set of names that may say yes to one that it does not hold: it looks at the length and the last characters. Most endpoints
  /// are no proxy that has just come, and to hash both names of each costs ten times as much.
  private struct Sieve {
    private var bits: [UInt64] = Array(repeating: 0, count: 1024)

    mutating func add(_ name: String) {
      let place = Self.place(name)
      bits[place >> 6] |= 1 << UInt64(place & 63)
    }

    func mayHold(_ name: String) -> Bool {
      let place = Self.place(name)
      return bits[place >> 6] & (1 << UInt64(place & 63)) != 0
    }

    private static func place(_ name: String) -> Int {
      let end = name.utf8.suffix(4).reduce(UInt32(truncatingIfNeeded: name.utf8.count)) {
        $0 << 7 ^ UInt32($1) ^ $0 >> 9
      }
      // Spread by a multiplication, of which the upper bits depend on all.
      return Int((end &* 0x9E37_79B1) >> 16)
    }
  }

  private static func places(of proxy: KnownProxy) -> [Place] {
    var places: [Place] = []
    var addresses = [host(of: proxy.remoteAddress)]
    var name = Substring(proxy.nodeID)
    let parts = name.split(separator: "~", omittingEmptySubsequences: false)
    if parts.count == 4 {
      addresses.append(String(parts[1]))
      name = parts[2]
    }
    places.append(.pod(NamespacedName(namespace: proxy.proxyClass.namespace, name: String(name))))
    if let dot = name.lastIndex(of: ".") {
      places.append(
        .pod(NamespacedName(namespace: String(name[name.index(after: dot)...]), name: String(name[..<dot]))))
    }
    for address in Set(addresses).sorted() where !address.isEmpty && !address.hasPrefix("127.") && address != "::1" {
      places.append(.address(address))
    }
    return places
  }

  /// `10.0.0.1` of `10.0.0.1:4711`, `fd00::1` of `[fd00::1]:4711`; empty for a socket's path.
  private static func host(of address: String) -> String {
    guard !address.hasPrefix("/"), let colon = address.lastIndex(of: ":") else { return "" }
    let host = address[..<colon]
    return String(host.hasPrefix("[") && host.hasSuffix("]") ? host.dropFirst().dropLast() : host)
  }
}

extension NamespacedName {
  /// As it describes itself: `NAMESPACE/NAME`.
  fileprivate init?(written text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    self.init(namespace: String(parts[0]), name: String(parts[1]))
  }
}
