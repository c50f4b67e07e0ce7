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

  private struct Proxy {
    var places: [Place]
    var slices: Set<NamespacedName> = []
    var isGone = false
  }

  private var index = PlaceIndex()
  private var proxies: [KnownProxy.Key: Proxy] = [:]
  private var byPlace: [Place: Set<KnownProxy.Key>] = [:]
  /// The proxies in each slice that has any.
  private var members: [NamespacedName: Set<KnownProxy.Key>] = [:]

  /// Follows more proxies. O(the endpoints of the slices that they are in).
  ///
  /// - Parameters:
  ///   - known: with the slices that each was in, where a process before this one has kept that.
  ///   - slice: what of the slices that were taken has this id; nil if none.
  mutating func follow(
    _ known: [(proxy: KnownProxy, slices: [String])], slice: (NamespacedName) -> EndpointSlice?
  ) -> News {
    var news = News()
    var fresh: [KnownProxy.Key: Set<NamespacedName>] = [:]
    var places: Set<Place> = []
    for (proxy, slices) in known {
      let now = Self.places(of: proxy)
      if let former = proxies[proxy.key] {
        if former.places == now { continue }
        // It is elsewhere now.
        forget([proxy.key])
        if former.isGone { news.back.insert(proxy.key) }
      }
      proxies[proxy.key] = Proxy(places: now)
      for place in now { byPlace[place, default: []].insert(proxy.key) }
      places.formUnion(now)
      fresh[proxy.key] = Set(slices.compactMap(NamespacedName.init(written:)))
    }
    // Each once, however many come to it.
    for id in Set(places.flatMap(index.slices)) {
      guard let slice = slice(id) else { continue }
      for key in found(in: slice) where fresh[key] != nil {
        proxies[key]?.slices.insert(id)
        members[id, default: []].insert(key)
      }
    }
    for (key, before) in fresh {
      let now = proxies[key]?.slices ?? []
      if now != before { news.slices[key] = now.map(\.description).sorted() }
      // While nobody looked it was taken out of a slice that is still there.
      if now.isEmpty, before.contains(where: { slice($0) != nil }) { leave(key, &news) }
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

  /// Slices have changed. O(their endpoints).
  mutating func take(_ edits: [Edit]) -> News {
    var news = News()
    for edit in edits {
      switch edit {
      case .upsert(.endpointSlice(let slice)): index.replace(slice)
      case .delete(let key) where key.kind == .endpointSlice: index.remove(key.id)
      default: break
      }
    }
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
  private func found(in slice: EndpointSlice) -> Set<KnownProxy.Key> {
    var found: Set<KnownProxy.Key> = []
    for place in slice.places { if let keys = byPlace[place] { found.formUnion(keys) } }
    return found
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
