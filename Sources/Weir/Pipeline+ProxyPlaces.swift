internal import Admission
internal import TrafficModel
internal import XDSServer

// Proxies that are endpoints: those whose pods Kubernetes has taken away are not waited for.
extension Pipeline {
  /// Follows proxies from now on. O(all endpoints) if any is new. To be called when the sources have been read: whoever is nowhere
  /// then, and was somewhere, is gone.
  func follow(_ known: [(proxy: KnownProxy, slices: [String])]) {
    tell(places.follow(known, in: gate.admittedSlices))
  }

  func unfollow(_ keys: [KnownProxy.Key]) { places.forget(keys) }

  func tell(_ news: ProxyPlaces.News) {
    server.setEnding(false, news.back)
    server.setEnding(true, news.gone)
    if !news.slices.isEmpty { onPlaces(news.slices) }
  }
}
