import Testing
import TrafficModel
import XDSServer
import XDSSnapshot

@testable import Weir

/// Which objects a refused resource was made of.
@Suite struct OriginTests {
  private static func object(_ object: TrafficObject, line: Int) -> AdmittedObject {
    AdmittedObject(object: object, location: SourceLocation(file: "shop.yaml", line: line), text: "")
  }

  private static func id(_ name: String, _ namespace: String = "shop") -> NamespacedName {
    NamespacedName(namespace: namespace, name: name)
  }

  private static let objects = [
    object(.service(KubernetesService(id: id("reviews"), isHeadless: false, ports: [], selector: [:])), line: 1),
    object(.service(KubernetesService(id: id("reviews", "other"), isHeadless: false, ports: [], selector: [:])), line: 2),
    object(.destinationRule(DestinationRule(id: id("rule"), host: "reviews")), line: 3),
    object(.virtualService(VirtualService(id: id("split"), hosts: ["reviews.shop.svc"], http: [])), line: 4),
    object(.virtualService(VirtualService(id: id("web"), hosts: ["shop.example.com"], http: [])), line: 5),
    object(.endpointSlice(EndpointSlice(id: id("reviews-1"), service: "reviews", ports: [], endpoints: [])), line: 6),
  ]

  private static func lines(_ type: ResourceType, _ resource: String, _ parts: [String] = []) -> [Int] {
    let refusal = RefusedResource(type: type, resource: resource, parts: parts, reason: "", generation: 1)
    let found = Origins(of: [refusal], clusterDomain: "cluster.local").find(in: objects)
    return found.flatMap { $0.map(\.location.line) }.sorted()
  }

  @Test func aClusterIsMadeOfItsServiceAndRules() {
    #expect(Self.lines(.cluster, "outbound|80|v2|reviews.shop.svc.cluster.local") == [1, 3])
    #expect(Self.lines(.cluster, "outbound|80||reviews.other.svc.cluster.local") == [2])
    #expect(Self.lines(.endpoint, "outbound|80||reviews.shop.svc.cluster.local") == [1, 6])
    #expect(Self.lines(.listener, "outbound") == [])
  }

  @Test func aRouteTableIsMadeOfTheHostsThatDiffer() {
    #expect(Self.lines(.route, "outbound", ["reviews.shop.svc.cluster.local:80"]) == [1, 4])
    #expect(Self.lines(.route, "outbound", ["reviews:80|shop"]) == [1, 4])
    #expect(Self.lines(.route, "outbound", ["shop.example.com:80"]) == [5])
    #expect(Self.lines(.virtualHost, "outbound-vhds/reviews.shop.svc.cluster.local:80") == [1, 4])
    #expect(Self.lines(.route, "outbound") == [])
  }

  @Test func aServicesClustersAreNamedByItsHost() throws {
    let clusters = try #require(ServiceClusters("reviews.shop", clusterDomain: "cluster.local"))
    #expect(clusters.contains("outbound|80|v1|reviews.shop.svc.cluster.local"))
    #expect(!clusters.contains("outbound|80|v1|old-reviews.shop.svc.cluster.local"))
    #expect(
      clusters.names(subset: "v1", port: 80, in: nil) == [
        "outbound|80|v1|reviews.shop.svc.cluster.local", "outbound|80||reviews.shop.svc.cluster.local",
      ])
    #expect(clusters.names(subset: "v1", port: nil, in: nil) == [])
    #expect(ServiceClusters("reviews", clusterDomain: "cluster.local") == nil)
  }
}
