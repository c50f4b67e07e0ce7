import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

struct ListenerTests {
  @Test func listenersOfAClass() throws {
    let compiler = compiler([service("shop/db", [port(5432, "db", .tcp), port(80, "http", .http)])])
    let tcp = "outbound|5432||db.shop.svc.cluster.local"
    let generation = compiler.generation
    #expect(generation.names(.listener) == ["outbound", tcp].sorted())
    let http = try #require(try generation.rendered(.listener, "outbound"))
    #expect(http["address.socketAddress.address"].text == "127.0.0.1")
    #expect(http["address.socketAddress.portValue"].number == 15001)
    #expect(http["filterChains.0.filters.0.typedConfig.rds.routeConfigName"].text == "outbound")
    let listener = try #require(try generation.rendered(.listener, tcp))
    #expect(listener["address.socketAddress.portValue"].number == 5432)
    #expect(listener["filterChains.0.filters.0.typedConfig.cluster"].text == tcp)
    #expect(generation.table(.listener, for: shopClass)?[tcp]?.references(tcp) == true)
    #expect(generation.table(.listener, for: shopClass)?.references(tcp) == true)
    #expect(generation.table(.listener, for: otherClass) == nil)
  }

  @Test func firstServiceHasThePort() throws {
    let compiler = compiler([
      service("shop/b", [port(6379, "redis", .tcp)]), service("shop/c", [port(6379, "redis", .tcp)]),
      service("shop/self", [port(15001, "tcp", .tcp)]),
    ])
    #expect(compiler.generation.names(.listener) == ["outbound", "outbound|6379||b.shop.svc.cluster.local"])
    func conflicts() -> [Problem] { compiler.problems.filter { $0.message.contains("listener") } }
    #expect(conflicts().map { $0.object?.id } == [id("shop/c"), id("shop/self")])
    #expect(conflicts()[0].message.contains("shop/b") && conflicts()[0].message.contains("shop/c"))
    compiler.apply([service("bank/a", [port(6379, "redis", .tcp)])])
    #expect(compiler.generation.names(.listener) == ["outbound", "outbound|6379||a.bank.svc.cluster.local"])
    #expect(conflicts().map { $0.object?.id } == [id("shop/b"), id("shop/c"), id("shop/self")])
    compiler.apply([.delete(ObjectKey(.service, id("bank/a"))), .delete(ObjectKey(.service, id("shop/b")))])
    #expect(compiler.generation.names(.listener) == ["outbound", "outbound|6379||c.shop.svc.cluster.local"])
    #expect(conflicts().map { $0.object?.id } == [id("shop/self")])
  }

  @Test func classesShareWhatDoesNotDependOnThem() {
    let compiler = compiler([service("shop/a"), service("shop/db", [port(5432, "db", .tcp)])])
    let before = compiler.generation
    #expect(compiler.addClass(shopClass) === before)
    var elsewhere = shopClass
    elsewhere.listenHost = "127.0.0.2"
    compiler.addClass(otherClass)
    let generation = compiler.addClass(elsewhere)
    #expect(generation.classes.count == 3)
    #expect(
      generation.classes[otherClass]!.listeners.tree.isIdentical(to: generation.classes[shopClass]!.listeners.tree))
    #expect(generation.classes[elsewhere]!.routes.contentHash == generation.classes[shopClass]!.routes.contentHash)
    #expect(
      generation.classes[elsewhere]!.listeners.contentHash != generation.classes[shopClass]!.listeners.contentHash)
    compiler.removeClass(otherClass)
    let after = compiler.removeClass(elsewhere)
    #expect(after.classes.count == 1)
    #expect(after.classes[shopClass]?.listeners.contentHash == before.classes[shopClass]?.listeners.contentHash)
    #expect(after.classes[shopClass]?.routes.contentHash == before.classes[shopClass]?.routes.contentHash)
    #expect(compiler.removeClass(elsewhere) === after)
  }

  /// Each generation is kept by streams for a while, and has a dictionary of classes.
  @Test func nothingStaysOfTheRoomThatManyClassesTook() {
    let compiler = compiler([service("shop/a")])
    let room = compiler.generation.classes.capacity
    let many = (1...500).map { port -> ProxyClass in
      var proxyClass = shopClass
      proxyClass.listenPort = UInt16(port)
      return proxyClass
    }
    for proxyClass in many { compiler.addClass(proxyClass) }
    #expect(compiler.generation.classes.capacity > 500)
    for proxyClass in many { compiler.removeClass(proxyClass) }
    #expect(compiler.generation.classes.count == 1)
    #expect(compiler.generation.classes.capacity <= max(64, room))
  }
}
