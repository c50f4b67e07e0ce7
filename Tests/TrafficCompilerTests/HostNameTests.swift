import Testing
import TrafficModel

struct HostNameTests {
  @Test(arguments: [
    ("reviews.shop", "shop/reviews"), ("reviews.shop.svc", "shop/reviews"),
    ("reviews.shop.svc.cluster.local", "shop/reviews"), ("b.svc", "svc/b"), ("b.svc.svc", "svc/b"),
  ])
  func formsOfAService(host: String, expected: String) {
    #expect(HostName.service(host, clusterDomain: "cluster.local") == id(expected))
  }

  @Test(arguments: [
    "reviews", "*", "*.shop", "www.example.com", "a.b.c.svc", "reviews.shop.svc.other", "reviews.shop.cluster.local",
    ".shop", "reviews.", "",
  ])
  func noService(host: String) {
    #expect(HostName.service(host, clusterDomain: "cluster.local") == nil)
  }

  @Test func shortNamesAreExpanded() {
    #expect(HostName.resolve("a", namespace: "n", clusterDomain: "c.d") == "a.n.svc.c.d")
    #expect(HostName.resolve("a.n", namespace: "m", clusterDomain: "c.d") == "a.n")
    #expect(HostName.resolve("*", namespace: "m", clusterDomain: "c.d") == "*")
  }
}
