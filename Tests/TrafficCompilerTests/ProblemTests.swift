import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

struct ProblemTests {
  /// The messages about one object.
  func messages(_ compiler: TrafficCompiler, _ kind: ObjectKind, _ name: String) -> [String] {
    compiler.problems.filter { $0.object == ObjectKey(kind, id(name)) }.map(\.message)
  }

  @Test(arguments: [
    ("absent", "has no effect because Service shop/absent does not exist"),
    ("a.nowhere", "has no effect because Service nowhere/a does not exist"),
    ("*.shop.svc.cluster.local", "has no effect because host *.shop.svc.cluster.local is a wildcard"),
    ("*", "has no effect because host * is a wildcard"),
    ("www.example.com", "has no effect because host www.example.com is not the name of a Kubernetes service"),
  ])
  func aRuleWithoutAServiceIsNamed(host: String, message: String) {
    let compiler = compiler([service("shop/a"), destinationRule("shop/r", host: host, subsets: versions)])
    let found = messages(compiler, .destinationRule, "shop/r")
    #expect(found.count == 1 && found[0].hasPrefix(message))
    compiler.apply([destinationRule("shop/r", host: "a", subsets: versions)])
    #expect(messages(compiler, .destinationRule, "shop/r") == [])
    compiler.apply([destinationRule("shop/r", host: host, subsets: versions)])
    #expect(messages(compiler, .destinationRule, "shop/r") == found)
    compiler.apply([.delete(ObjectKey(.destinationRule, id("shop/r")))])
    #expect(messages(compiler, .destinationRule, "shop/r") == [])
  }

  @Test func aRulesProblemFollowsItsService() {
    let compiler = compiler([service("shop/other"), destinationRule("shop/r", host: "a", subsets: versions)])
    #expect(messages(compiler, .destinationRule, "shop/r").count == 1)
    let came = runs(compiler) { compiler.apply([service("shop/a")]) }
    #expect(messages(compiler, .destinationRule, "shop/r") == [])
    #expect(came.filter { $0.hasPrefix("ruleProblems") } == ["ruleProblems[shop/r]"])
    compiler.apply([.delete(ObjectKey(.service, id("shop/a")))])
    #expect(messages(compiler, .destinationRule, "shop/r").count == 1)
    let unrelated = runs(compiler) { compiler.apply([.delete(ObjectKey(.service, id("shop/other")))]) }
    #expect(!unrelated.contains { $0.hasPrefix("ruleProblems") })
  }

  @Test func aRuleOfAnotherNamespaceIsAccepted() throws {
    let host = "a.shop.svc.cluster.local"
    let compiler = compiler([service("shop/a"), destinationRule("admin/r", host: host, subsets: versions)])
    #expect(compiler.generation.names(.cluster).contains("outbound|80|v1|\(host)"))
    let found = messages(compiler, .destinationRule, "admin/r")
    #expect(found.count == 1)
    #expect(found.first?.contains("Istio would apply it only to those in namespace admin") == true)
    // It says nothing, so there is nothing to warn of.
    compiler.apply([destinationRule("admin/r", host: host)])
    #expect(messages(compiler, .destinationRule, "admin/r") == [])
    compiler.apply([destinationRule("admin/r", host: host, .random)])
    #expect(messages(compiler, .destinationRule, "admin/r").count == 1)
    compiler.apply([destinationRule("shop/r", host: "a", .random)])
    #expect(messages(compiler, .destinationRule, "shop/r") == [])
  }

  @Test func aHostWithoutHTTPIsNamed() {
    let rules = virtualService("shop/r", hosts: ["db", "a"], all(to: "a"))
    let compiler = compiler([service("shop/a"), service("shop/db", [port(5432, "db", .tcp)]), rules])
    let message = "host db.shop.svc.cluster.local has no effect because Service shop/db has no HTTP port"
    #expect(messages(compiler, .virtualService, "shop/r") == [message])
    // A second one has no effect either; that the first has the host is no matter then.
    compiler.apply([virtualService("bank/r", hosts: ["db.shop.svc.cluster.local"], all(to: "a.shop"))])
    #expect(messages(compiler, .virtualService, "bank/r") == [message])
    compiler.apply([service("shop/db", [port(5432, "db", .tcp), port(80, "http", .http)])])
    #expect(messages(compiler, .virtualService, "shop/r") == [])
    let conflicts = messages(compiler, .virtualService, "bank/r")
    #expect(conflicts.count == 1 && conflicts[0].contains("belongs to VirtualService shop/r"))
    compiler.apply([service("shop/db", [port(5432, "db", .tcp)])])
    #expect(messages(compiler, .virtualService, "shop/r") == [message])
    // Without the service the host is one of its own.
    compiler.apply([.delete(ObjectKey(.service, id("shop/db"))), .delete(ObjectKey(.virtualService, id("bank/r")))])
    #expect(messages(compiler, .virtualService, "shop/r") == [])
  }

  @Test func newProblemsAreTakenOnce() {
    let absent = { (name: String) in destinationRule("shop/\(name)", host: name, .random) }
    let gone = { (name: String) in Edit.delete(ObjectKey(.destinationRule, id("shop/\(name)"))) }
    let compiler = compiler([absent("z"), absent("b")])
    func take() -> [String] { compiler.takeNewProblems().compactMap { $0.object?.id.name } }
    #expect(take() == ["b", "z"])
    #expect(take() == [])
    compiler.apply([absent("y"), absent("c"), absent("a")])
    compiler.apply([gone("c")])
    #expect(take() == ["a", "y"], "what has gone again is left out")
    compiler.apply([gone("b")])
    compiler.apply([absent("b")])
    #expect(take() == [], "what was there already is left out")
    compiler.apply([gone("b")])
    #expect(take() == [])
    compiler.apply([absent("b")])
    #expect(take() == ["b"], "it had gone when we last looked")
    #expect(compiler.problemCount == 4)
  }
}
