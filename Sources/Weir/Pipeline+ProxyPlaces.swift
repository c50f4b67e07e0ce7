internal import Admission
internal import TrafficModel
internal import XDSServer

// Proxies that are endpoints: those whose pods Kubernetes has taken away are not waited for.
extension Pipeline {
  /// Follows proxies from now on. To be called when the sources have been read: whoever is nowhere then, and was somewhere, is
  /// gone. Those of `forgotten` are followed no longer, or as if they had never been. Returns how long all that took, without what it
  /// waited for.
  @discardableResult
  func follow(
    _ known: [(proxy: KnownProxy, slices: [String])], unfollowing forgotten: [KnownProxy.Key] = []
  ) -> Duration {
    let start = ContinuousClock.now
    places.forget(forgotten)
    let news = places.follow(known) { id in
      if case .endpointSlice(let slice) = gate.admitted(ObjectKey(.endpointSlice, id))?.object { slice } else { nil }
    }
    tell(news)
    return start.duration(to: .now)
  }

  func tell(_ news: ProxyPlaces.News) {
    server.setEnding(false, news.back)
    server.setEnding(true, news.gone)
    if !news.slices.isEmpty { onPlaces(news.slices) }
  }
}
