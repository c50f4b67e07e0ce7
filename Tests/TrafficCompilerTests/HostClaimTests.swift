import Foundation
import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

/// A VirtualService with many hosts.
struct HostClaimTests {
  func many(_ count: Int, weight: UInt32 = 50, also: [String] = []) -> Edit {
    virtualService("shop/wide", hosts: (0..<count).map { "h\($0).example.com" } + also, split("a", weight))
  }

  @Test func aWeightStopsBeforeTheClaims() throws {
    let compiler = compiler([
      service("shop/a"), service("shop/b"), many(40, also: ["a", "*.example.org", "A.shop", "H0.example.com"]),
    ])
    #expect(try compiler.generation.virtualHosts().count == 40 + 1 + 4)
    let ran = runs(compiler) { compiler.apply([many(40, weight: 30, also: ["a", "*.example.org", "A.shop"])]) }
    // The list of hosts is another (one more spelling was there), but all claims are the same.
    #expect(Set(ran.map { $0.prefix { $0 != "[" } }) == ["writtenHosts", "claims", "serviceHosts", "ownHosts"])
    let again = runs(compiler) { compiler.apply([many(40, weight: 20, also: ["a", "*.example.org", "A.shop"])]) }
    #expect(Set(again.map { $0.prefix { $0 != "[" } }) == ["writtenHosts", "serviceHosts", "ownHosts"])
    #expect(again.count == 1 + 1 + 41, "one for each host, none for service b")
    let hosts = try compiler.generation.virtualHosts()
    for name in ["h7.example.com:80", "a:80|shop", "*.example.org:80"] {
      #expect(hosts[name]?["routes.0.route.weightedClusters.clusters.0.weight"].number == 20)
    }
  }

  @Test func aHostMoreIsOneClaimMore() throws {
    let compiler = compiler([service("shop/a"), many(60)])
    let ran = runs(compiler) { compiler.apply([many(60, also: ["new.example.com"])]) }
    // The rules are the VirtualService's, so that the other hosts look at it again; no claim of theirs does.
    #expect(ran.filter { $0.hasPrefix("hostClaims[") }.count == 1)
    #expect(try compiler.generation.virtualHosts()["new.example.com:80"] != nil)
    let fewer = runs(compiler) { compiler.apply([many(20)]) }
    #expect(fewer.filter { $0.hasPrefix("hostClaims[") }.count == 41)
    #expect(try compiler.generation.virtualHosts().count == 20 + 2)
  }

  @Test(.timeLimit(.minutes(1)), arguments: ["example.com", "shop.svc.cluster.local"])
  func costIsLinearInTheHosts(domain: String) {
    /// The fastest of several runs: first all of it, then a weight. In seconds of this thread, for other tests run beside it.
    func times(_ count: Int) -> (cold: Double, weight: Double) {
      let hosts = (0..<count).map { "h\($0).\(domain)" }
      let services = (0..<count).map { service("shop/h\($0)") }
      var (cold, weight) = (Double.infinity, Double.infinity)
      for round in 0..<5 {
        let compiler = compiler(services)
        cold = min(cold, threadTime { compiler.apply([virtualService("shop/w", hosts: hosts, split("a", 50))]) })
        let edit = virtualService("shop/w", hosts: hosts, split("a", UInt32(round)))
        weight = min(weight, threadTime { compiler.apply([edit]) })
      }
      return (cold, weight)
    }
    _ = times(50)
    let (few, many) = (times(500), times(2000))
    print("hosts in \(domain): 500 \(few) s, 2000 \(many) s")
    #expect(many.cold / few.cold < 6)
    #expect(many.weight / few.weight < 6)
  }
}

private func threadTime(_ body: () -> Void) -> Double {
  func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
  let start = now()
  body()
  return now() - start
}
