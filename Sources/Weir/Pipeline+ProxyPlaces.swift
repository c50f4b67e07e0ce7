internal import Admission
internal import TrafficModel
internal import XDSServer

// Proxies that are endpoints: those whose pods Kubernetes has taken away are not waited for.
extension Pipeline {
  /// Follows proxies from now on. To be called when the sources have been read: whoever is nowhere then, and was somewhere, is
  /// gone. Returns how long that took, without what it waited for.
  @discardableResult
  func follow(_ known: [(proxy: KnownProxy, slices: [String])]) -> Duration {
    let start = ContinuousClock.now
    let news = places.follow(known) { id in
      if case .endpointSlice(let slice) = gate.admitted(ObjectKey(.endpointSlice, id))?.object { slice } else { nil }
    }
    tell(news)
    return start.duration(to: .now)
  }

  func unfollow(_ keys: [KnownProxy.Key]) { places.forget(keys) }

  func tell(_ news: ProxyPlaces.News) {
    server.setEnding(false, news.back)
    server.setEnding(true, news.gone)
    if !news.slices.isEmpty { onPlaces(news.slices) }
  }
}
