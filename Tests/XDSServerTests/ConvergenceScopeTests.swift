import Testing
import XDSSnapshot

@testable import XDSServer

@Suite struct ConvergenceScopeTests {
  private static let shop = ProxyClass(namespace: "shop", listenHost: "::1", listenPort: 15001, takesVirtualHosts: true)

  @Test func aPatternMatchesWholeNodeIDs() {
    func matches(_ pattern: String, _ nodeID: String) -> Bool {
      ProxyScope.nodes(matching: pattern).contains(nodeID: nodeID, proxyClass: Self.shop)
    }
    for (pattern, nodeID) in [
      ("*", ""), ("*", "a"), ("web-*", "web-"), ("web-*", "web-1"), ("*-1", "web-1"), ("w?b*1", "web-21"),
      ("**a*", "bab"),
      ("a*b*c", "axbxbc"),
    ] { #expect(matches(pattern, nodeID), "\(pattern) \(nodeID)") }
    for (pattern, nodeID) in [("", "a"), ("?", ""), ("web-*", "xweb-1"), ("web", "web-1"), ("a*b*c", "axbxb")] {
      #expect(!matches(pattern, nodeID), "\(pattern) \(nodeID)")
    }
  }

  @Test func aScopeReadsAsItIsWritten() {
    for text in [
      "all", "node:a:b", "nodes:web-*", "namespace:shop", "class:sidecar/shop/[::1]:15001", "node:\u{1F3FB}b",
      "class:sidecar/\u{301}shop/a:1",
    ] {
      #expect(ProxyScope(text)?.description == text)
    }
    for text in ["", "any", "node:", "class:shop", "class:gateway/shop/127.0.0.1:1", "class:sidecar/shop/127.0.0.1"] {
      #expect(ProxyScope(text) == nil, "\(text)")
    }
  }

  @Test func aClassIsWhateverFormItsProxiesTake() {
    let other = ProxyClass(namespace: "shop", listenHost: "::1", listenPort: 15001)
    #expect(ProxyScope.proxyClass(other).contains(nodeID: "a", proxyClass: Self.shop))
    #expect(!ProxyScope.proxyClass(World.proxyClass).contains(nodeID: "a", proxyClass: Self.shop))
    #expect(ProxyScope.namespace("shop").contains(nodeID: "a", proxyClass: Self.shop))
    #expect(!ProxyScope.namespace("default").contains(nodeID: "a", proxyClass: Self.shop))
    #expect(ProxyScope.node("a").contains(nodeID: "a", proxyClass: Self.shop))
  }
}
