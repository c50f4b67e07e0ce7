import Foundation
import ReleaseControl
import Testing
import TrafficModel

@Suite struct CodingTests {
  private func decoded(_ json: String) throws -> ReleaseSpec {
    try ReleaseJSON.decode(ReleaseSpec.self, from: Data(json.utf8))
  }

  @Test func aReleaseComesBackAsItWasKept() throws {
    var rails = GuardRails(minimumReady: 3, capacity: 0.5, onShortfall: .hold, onEmpty: .spill)
    rails.capacity = 12.34
    let specs: [ReleaseSpec] = [
      release().spec,
      .canary(
        of: "a.b", port: 80, from: "v1", to: "v2", steps: [0.05, ReleaseStep(7.5, pause: .for(.milliseconds(1500)))],
        rules: [
          RequestRule(headers: ["x-a": .present], cookies: ["c": .regex("a|b")], queryParameters: ["q": .prefix("1")])
        ], stickiness: .cookie(name: "v", ttlSeconds: 60), guardRails: rails),
      .blueGreen(of: "a.b", from: "v1", to: "v2", previewHost: "p.example"),
      .rules([RequestRule(headers: ["x-a": .exact("1")])], of: "a.b", from: "v1", to: "v2"),
      .mirrorFirst(
        of: "a.b", from: "v1", to: "v2", share: 3, for: .for(.seconds(1)), steps: [50], stickiness: .header("x-user")),
    ]
    for spec in specs {
      var kept = release(spec)
      try kept.take(.live, at: after(1.25))
      try kept.take(.action(.setWeight(0.07)), reason: "line\n\"two\"", at: after(2), holds: true)
      let data = try ReleaseJSON.encode(kept)
      #expect(try ReleaseJSON.decode(Release.self, from: data) == kept)
      #expect(try ReleaseJSON.encode(try ReleaseJSON.decode(Release.self, from: data)) == data)
    }
  }

  @Test func whatAReleaseHasTakenOverComesBack() throws {
    var kept = Release(
      id: "reviews.shop-2", spec: release().spec, service: shop, stable: subset("v1"), candidate: subset("v2"),
      baseline: 3, formerSubsets: ["v0", "v9"], ownRoutes: ["shop/reviews [uri exact \"/\"]"], at: start)
    _ = kept.note(spilled: 0.5)
    #expect(try ReleaseJSON.decode(Release.self, from: try ReleaseJSON.encode(kept)) == kept)
    #expect(kept.overlay?.formerSubsets == ["v0", "v9"] && kept.overlay?.ownRoutes == kept.ownRoutes)
  }

  @Test func whatIsMissingHasItsDefault() throws {
    let spec = try decoded(
      #"{"service": "reviews.shop", "from": "v1", "to": "v2", "steps": [5, {"weight": 25, "pause": 60}, 100]}"#)
    #expect(
      spec
        == .canary(
          of: "reviews.shop", from: "v1", to: "v2", steps: [5, ReleaseStep(25, pause: .for(.seconds(60))), 100]))
    #expect(
      try decoded(#"{"service": "a.b", "from": "v1", "to": "v2", "strategy": "blueGreen"}"#)
        == .blueGreen(of: "a.b", from: "v1", to: "v2"))
    let rules =
      #"{"service":"a.b","from":"v1","to":"v2","strategy":"rules","rules":[{"headers":{"x":{"present":true}}}]}"#
    #expect(try decoded(rules) == .rules([RequestRule(headers: ["x": .present])], of: "a.b", from: "v1", to: "v2"))
  }

  @Test(arguments: [
    #"{"service": "a.b", "from": "v1", "to": "v2", "steps": [101]}"#,
    #"{"service": "a.b", "from": "v1", "to": "v2", "steps": [0.001]}"#,
    #"{"service": "a.b", "from": "v1", "to": "v2", "steps": [{"weight": 5, "pause": -1}]}"#,
    #"{"service": "a.b", "from": "v1", "to": "v2", "steps": [{"weight": 5, "pause": "soon"}]}"#,
    #"{"service": "a.b", "from": "v1", "to": "v2", "rules": [{"headers": {"x": {"exact": "1", "prefix": "2"}}}]}"#,
    #"{"from": "v1", "to": "v2"}"#, #"{"service": "a.b", "from": "v1", "to": "v2", "port": 70000}"#,
  ])
  func nonsenseIsRefused(_ json: String) {
    #expect(throws: DecodingError.self) { try decoded(json) }
  }

  @Test func specsAreLookedAt() {
    func problem(_ change: (inout ReleaseSpec) -> Void) -> String? {
      var spec = release().spec
      change(&spec)
      do {
        try spec.validate()
        return nil
      } catch { return error.message }
    }
    #expect(problem { _ in } == nil)
    #expect(problem { $0.candidate = "v1" } == "stable and candidate are both v1")
    #expect(problem { $0.candidate = "a|b" } == "a|b is no name of a subset")
    #expect(problem { $0.steps = [20, 20] } == "steps ascend, and 20 % comes after 20 %")
    #expect(problem { $0.rules = [RequestRule()] } == "a rule has no condition")
    #expect(problem { $0.rules = [RequestRule(headers: ["X-A": .present])] } == "X-A is no header's name in lower case")
    #expect(problem { $0.previewHost = "preview" } == "preview is no full host name")
    #expect(problem { $0.stickiness = .cookie(name: "a b", ttlSeconds: 1) } == "a b is no cookie's name")
    #expect(problem { $0.strategy = .rules } == "a release by rules needs a rule")
  }

  @Test func weightsAreWrittenAsPercent() throws {
    #expect(["\(Weight.all)", "\(0.05 as Weight)", "\(12.5 as Weight)"] == ["100 %", "0.05 %", "12.5 %"])
    for basisPoints in 0...10_000 {
      let weight = try #require(Weight(basisPoints: basisPoints))
      #expect(Weight(percent: weight.percent) == weight)
      let json = try ReleaseJSON.encode([weight])
      #expect(try ReleaseJSON.decode([Weight].self, from: json) == [weight])
    }
    #expect(Weight(percent: 0.001) == nil && Weight(percent: -1) == nil && Weight(percent: 100.01) == nil)
    #expect(Weight(percent: .nan) == nil)
  }
}
