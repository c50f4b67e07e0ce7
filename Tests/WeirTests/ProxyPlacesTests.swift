import Testing
import TrafficModel
import XDSServer
import XDSSnapshot

@testable import Weir

extension ProxyPlaces {
  /// With these slices, of which each was taken or is taken now.
  fileprivate mutating func follow(_ known: [(proxy: KnownProxy, slices: [String])], in slices: [EndpointSlice]) -> News
  {
    _ = take(slices.map { .upsert(.endpointSlice($0)) })
    return follow(known) { id in slices.first { $0.id == id } }
  }
}

/// Which proxies are endpoints, and which of them Kubernetes has taken away.
@Suite struct ProxyPlacesTests {
  private func proxy(_ node: String, at address: String = "10.9.9.9:5", namespace: String = "shop") -> KnownProxy {
    KnownProxy(
      nodeID: node, proxyClass: ProxyClass(namespace: namespace, listenHost: "127.0.0.1", listenPort: 15_001),
      variant: .delta, onlyType: nil, remoteAddress: address)
  }

  private func slice(_ name: String, _ endpoints: [(address: String, pod: String)]) -> EndpointSlice {
    EndpointSlice(
      id: NamespacedName(namespace: "shop", name: name), service: "reviews", ports: [],
      endpoints: endpoints.map {
        .init(addresses: [$0.address], pod: NamespacedName(namespace: "shop", name: $0.pod))
      })
  }

  private func edit(_ slice: EndpointSlice) -> Edit { .upsert(.endpointSlice(slice)) }

  @Test(
    arguments: [
      ("a-0", "10.9.9.9:5", "shop"), ("a-0.shop", "10.9.9.9:5", "other"), ("envoy", "10.0.0.1:4711", "other"),
      ("sidecar~10.9.9.9~a-0.shop~shop.svc.cluster.local", "/run/x.sock", "other"),
      ("router~10.0.0.1~x.y~y.svc.cluster.local", "127.0.0.1:9", "other"), ("x", "[10.0.0.1]:1", "other"),
    ])
  func aProxyIsThePodOfItsNameOrAddress(_ node: String, _ address: String, _ namespace: String) {
    var places = ProxyPlaces()
    let proxy = proxy(node, at: address, namespace: namespace)
    let now = [slice("s-1", [("10.0.0.1", "a-0"), ("10.0.0.2", "b-0")])]
    let news = places.follow([(proxy: proxy, slices: [])], in: now)
    #expect(news == .init(slices: [proxy.key: ["shop/s-1"]]))
    #expect(places.take([edit(slice("s-1", [("10.0.0.2", "b-0")]))]).gone == [proxy.key])
    // A pod of the same name comes again.
    #expect(places.take([edit(now[0])]).back == [proxy.key])
  }

  @Test func whoWasNoEndpointIsNeverGone() {
    var places = ProxyPlaces()
    let gateway = proxy("gateway")
    // Loopback is everybody's.
    let local = proxy("local", at: "127.0.0.1:5")
    let now = [slice("s-1", [("127.0.0.1", "a-0"), ("10.0.0.2", "b-0")])]
    #expect(places.follow([(proxy: gateway, slices: []), (proxy: local, slices: [])], in: now) == .init())
    #expect(places.take([edit(slice("s-1", []))]) == .init())
  }

  /// Among many endpoints with names alike, each proxy is found when it comes after the slices as when it comes before.
  @Test func whoComesLaterIsFoundAsWhoWasThere() {
    let pods = (0..<600).map { number in
      (address: "10.0.\(number / 250).\(number % 250)", pod: "web-\(number / 7)-\(number % 7)")
    }
    let slices = (0..<60).map { number in slice("s-\(number)", Array(pods[(number * 10)..<(number * 10 + 10)])) }
    // Every third by its name, every fifth by its address, and some that are nowhere.
    var proxies = stride(from: 0, to: 600, by: 3).map { proxy(pods[$0].pod) }
    proxies += stride(from: 0, to: 600, by: 5).map { proxy("node-\($0)", at: "\(pods[$0].address):4711") }
    proxies += (0..<50).map { proxy("web-\($0)-8", at: "10.1.0.\($0):1") }
    let known = proxies.map { (proxy: $0, slices: [String]()) }
    var (later, before) = (ProxyPlaces(), ProxyPlaces())
    let found = later.follow(known, in: slices).slices
    _ = before.follow(known, in: [])
    #expect(found == before.take(slices.map(edit)).slices)
    #expect(found.count == 320)
  }

  @Test func onlyTheLastSliceCounts() {
    var places = ProxyPlaces()
    let a = proxy("a-0")
    let at = [("10.0.0.1", "a-0")]
    _ = places.follow([(proxy: a, slices: [])], in: [slice("s-1", at), slice("t-1", at)])
    #expect(places.take([edit(slice("s-1", []))]) == .init(slices: [a.key: ["shop/t-1"]]))
    // From one slice to another in one change, whatever the order.
    #expect(places.take([edit(slice("t-1", [])), edit(slice("t-2", at))]) == .init(slices: [a.key: ["shop/t-2"]]))
    #expect(places.take([edit(slice("t-1", at)), edit(slice("t-2", []))]) == .init(slices: [a.key: ["shop/t-1"]]))
    #expect(places.take([edit(slice("t-1", []))]) == .init(gone: [a.key], slices: [a.key: []]))
  }

  @Test func aDeletedSliceIsADeletedServiceAndNoDeletedPod() {
    var places = ProxyPlaces()
    let a = proxy("a-0")
    let s = slice("s-1", [("10.0.0.1", "a-0")])
    _ = places.follow([(proxy: a, slices: [])], in: [s])
    #expect(places.take([.delete(ObjectKey(.endpointSlice, s.id))]) == .init(slices: [a.key: []]))
  }

  @Test func whatWentWhileNobodyLookedIsGone() {
    var places = ProxyPlaces()
    let (a, b, c) = (proxy("a-0"), proxy("b-0"), proxy("c-0"))
    let now = [slice("s-1", [("10.0.0.2", "b-0")])]
    let news = places.follow(
      [(proxy: a, slices: ["shop/s-1"]), (proxy: b, slices: ["shop/s-1"]), (proxy: c, slices: ["shop/s-9"])], in: now)
    #expect(news.gone == [a.key], "b is there, and c's slice went as a whole")
    #expect(news.slices == [a.key: [], c.key: []])
  }

  @Test func whoComesFromElsewhereIsFollowedThere() {
    var places = ProxyPlaces()
    let (old, new) = (proxy("envoy", at: "10.0.0.1:5"), proxy("envoy", at: "10.0.0.2:5"))
    _ = places.follow([(proxy: old, slices: [])], in: [slice("s-1", [("10.0.0.1", "a-0")])])
    #expect(places.take([edit(slice("s-1", [("10.0.0.2", "a-1")]))]).gone == [old.key])
    let news = places.follow([(proxy: new, slices: [])], in: [slice("s-1", [("10.0.0.2", "a-1")])])
    #expect(news == .init(back: [new.key], slices: [new.key: ["shop/s-1"]]))
    #expect(places.take([edit(slice("s-1", []))]).gone == [new.key])
  }

  @Test func whoIsForgottenIsNotFollowed() {
    var places = ProxyPlaces()
    let a = proxy("a-0")
    let s = slice("s-1", [("10.0.0.1", "a-0")])
    _ = places.follow([(proxy: a, slices: [])], in: [s])
    places.forget([a.key])
    #expect(places.take([edit(slice("s-1", []))]) == .init())
    #expect(places.follow([(proxy: a, slices: [])], in: [s]).slices == [a.key: ["shop/s-1"]])
  }
}
