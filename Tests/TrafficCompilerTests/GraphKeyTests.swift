import Testing
import TrafficModel

@testable import TrafficCompiler

/// How `weir why` and violations name what is no object.
@Suite struct GraphKeyTests {
  private let reviews = NamespacedName(namespace: "shop", name: "reviews")

  @Test func keysAreNamedByWhatTheyAreOf() {
    let slice = NamespacedName(namespace: "shop", name: "reviews-1")
    #expect(reviews.eventName == "shop/reviews")
    #expect(
      SlicePart.Key(slice: slice, portName: "http", subset: "v1").eventName
        == "shop/reviews-1 port \"http\" subset v1")
    #expect(SlicePart.Key(slice: slice, portName: "", subset: "").eventName == "shop/reviews-1 port \"\"")
    #expect(HostKey.service(reviews).eventName == "shop/reviews")
    #expect(HostKey.name("example.com").eventName == "example.com")
    #expect(HostKey.wildcard("example.com").eventName == "*.example.com")
    #expect(HostKey.wildcard("").eventName == "*")
    let rules = NamespacedName(namespace: "shop", name: "rules")
    #expect(HostClaim(host: .name("example.com"), claimant: rules).eventName == "example.com of shop/rules")
  }
}
