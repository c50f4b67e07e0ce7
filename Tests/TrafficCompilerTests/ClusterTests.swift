import Testing
import TrafficCompiler
import TrafficModel

struct ClusterTests {
  @Test func everyPortAndSubsetHasACluster() throws {
    let compiler = compiler([
      service("shop/reviews", [port(80, "http", .http), port(90, "grpc", .http2), port(5432, "db", .tcp)]),
      destinationRule("shop/reviews", host: "reviews", .random, subsets: versions),
      service("shop/plain"),
    ])
    let reviews = "reviews.shop.svc.cluster.local"
    #expect(
      compiler.generation.names(.cluster) == [
        "outbound|5432|v1|\(reviews)", "outbound|5432|v2|\(reviews)", "outbound|5432||\(reviews)",
        "outbound|80|v1|\(reviews)", "outbound|80|v2|\(reviews)", "outbound|80||plain.shop.svc.cluster.local",
        "outbound|80||\(reviews)", "outbound|90|v1|\(reviews)", "outbound|90|v2|\(reviews)", "outbound|90||\(reviews)",
      ])
    #expect(compiler.generation.names(.endpoint) == compiler.generation.names(.cluster))
    let cluster = try #require(try compiler.generation.rendered(.cluster, "outbound|90|v1|\(reviews)"))
    #expect(cluster["name"].text == "outbound|90|v1|\(reviews)")
    #expect(cluster["lbPolicy"].text == "RANDOM")
    #expect(cluster["connectTimeout"].text == "10s")
    #expect(cluster["typedExtensionProtocolOptions"].value != nil)
    let plain = try #require(try compiler.generation.rendered(.cluster, "outbound|80||plain.shop.svc.cluster.local"))
    #expect(plain["lbPolicy"].text == "LEAST_REQUEST")
    #expect(plain["typedExtensionProtocolOptions"].value == nil)
  }

  @Test func rulesOfTheServicesNamespaceComeFirst() throws {
    let compiler = compiler([
      service("shop/reviews"),
      destinationRule(
        "admin/a", host: "reviews.shop.svc.cluster.local", .random,
        subsets: [.init(name: "v1", labels: ["from": "admin"]), .init(name: "v3", labels: [:])]),
      destinationRule("shop/z", host: "reviews", .roundRobin, subsets: versions),
    ])
    let generation = compiler.generation
    #expect(generation.names(.cluster).count == 4)
    let base = try generation.rendered(.cluster, "outbound|80||reviews.shop.svc.cluster.local")
    // ROUND_ROBIN is the enum's zero, which JSON leaves out.
    #expect(base?["lbPolicy"].text ?? "ROUND_ROBIN" == "ROUND_ROBIN")
    let conflict = try #require(
      compiler.problems.first { $0.object?.kind == .destinationRule && $0.field == "spec.subsets" })
    #expect(conflict.object?.id == id("admin/a"))
    #expect(conflict.message.contains("v1") && conflict.message.contains("shop/z"))
    compiler.apply([.delete(ObjectKey(.destinationRule, id("shop/z")))])
    #expect(compiler.problems.allSatisfy { $0.field != "spec.subsets" })
    #expect(
      try compiler.generation.rendered(.cluster, "outbound|80||reviews.shop.svc.cluster.local")?["lbPolicy"].text
        == "RANDOM")
  }

  @Test func hashTablesReachTheCluster() throws {
    let compiler = compiler([
      service("shop/a"),
      destinationRule(
        "shop/a", host: "a", .consistentHash(key: .sourceIP, table: .ring(minimumSize: 8192)),
        subsets: [
          .init(
            name: "m", labels: [:],
            loadBalancer: .consistentHash(key: .header("x-user"), table: .maglev(tableSize: 1009)))
        ]),
    ])
    let ring = try compiler.generation.rendered(.cluster, "outbound|80||a.shop.svc.cluster.local")
    #expect(ring?["lbPolicy"].text == "RING_HASH")
    #expect(ring?["ringHashLbConfig.minimumRingSize"].text == "8192")
    let maglev = try compiler.generation.rendered(.cluster, "outbound|80|m|a.shop.svc.cluster.local")
    #expect(maglev?["lbPolicy"].text == "MAGLEV")
    #expect(maglev?["maglevLbConfig.tableSize"].text == "1009")
  }

  @Test func oneSubsetChangesOneCluster() {
    let compiler = compiler([service("shop/a"), destinationRule("shop/a", host: "a", subsets: versions)])
    let before = compiler.generation
    var changed = versions
    changed[0].loadBalancer = .random
    let after = compiler.apply([destinationRule("shop/a", host: "a", subsets: changed)])
    let names = ["outbound|80|v1|a.shop.svc.cluster.local"]
    #expect(changedNames(before.clusters, after.clusters) == names)
    #expect(changedNames(before.endpoints, after.endpoints) == [])
    #expect(after.number == before.number + 1)
  }
}
