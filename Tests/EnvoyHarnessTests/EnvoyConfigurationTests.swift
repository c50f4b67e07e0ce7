import Testing

@testable import EnvoyHarness

@Suite("Envoy's dump held against what is served")
struct EnvoyConfigurationTests {
  @Test("Protobuf's own names become those of its JSON mapping, at every depth")
  func names() throws {
    let dumped = try JSON(parsing: #"{"a_b_c":[{"eds_config":{"ads":{}}}],"plain":1}"#)
    #expect(dumped.withProtobufNames == (try JSON(parsing: #"{"aBC":[{"edsConfig":{"ads":{}}}],"plain":1}"#)))
  }

  @Test("A route to a cluster that is not active is found: one that warms, one in a weighted set, one of a mirror")
  func coldReferences() throws {
    func dump(active: [String], warming: [String] = []) throws -> EnvoyConfiguration {
      func clusters(_ names: [String]) -> String {
        names.map { #"{"version_info":"1","cluster":{"name":"\#($0)"}}"# }.joined(separator: ",")
      }
      return EnvoyConfiguration(
        try JSON(
          parsing: """
            {"configs":[
              {"@type":"type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
               "dynamic_active_clusters":[\(clusters(active))],"dynamic_warming_clusters":[\(clusters(warming))]},
              {"@type":"type.googleapis.com/envoy.admin.v3.RoutesConfigDump","dynamic_route_configs":[
                {"version_info":"1","route_config":{"name":"outbound","virtual_hosts":[{"name":"a","routes":[
                  {"route":{"cluster":"one"}},
                  {"route":{"weighted_clusters":{"clusters":[{"name":"two","weight":1},{"name":"three","weight":1}]},
                            "request_mirror_policies":[{"cluster":"four"}]}}]}]}}]}
            ]}
            """))
    }
    let all = ["one", "two", "three", "four"]
    #expect(try dump(active: all).coldReferences == [])
    for missing in all {
      let others = all.filter { $0 != missing }
      #expect(try dump(active: others).coldReferences == ["outbound: \(missing)"])
      #expect(try dump(active: others, warming: [missing]).coldReferences == ["outbound: \(missing)"])
    }
  }

  @Test(
    "An assignment is the same in another order, and with what Envoy adds; it differs by address, health and weight")
  func assignments() throws {
    func assignment(_ endpoints: String) throws -> Assignment { Assignment(try JSON(parsing: endpoints)) }
    func endpoint(_ ip: String, _ more: String = "") -> String {
      #"{"endpoint":{"address":{"socketAddress":{"address":"\#(ip)","portValue":80}}}\#(more)}"#
    }
    func locality(_ endpoints: String...) -> String {
      #"{"endpoints":[{"locality":{"zone":"a"},"lbEndpoints":[\#(endpoints.joined(separator: ","))]}]}"#
    }
    let served = try assignment(locality(endpoint("10.0.0.1"), endpoint("10.0.0.2", #","healthStatus":"HEALTHY""#)))
    let held = try assignment(
      locality(
        endpoint("10.0.0.2", #","healthStatus":"HEALTHY","loadBalancingWeight":1"#),
        endpoint("10.0.0.1", #","healthStatus":"HEALTHY","loadBalancingWeight":1"#)))
    #expect(served == held)
    for other in [
      locality(endpoint("10.0.0.1")), locality(endpoint("10.0.0.1"), endpoint("10.0.0.3")),
      locality(endpoint("10.0.0.1"), endpoint("10.0.0.2", #","healthStatus":"DRAINING""#)),
      locality(endpoint("10.0.0.1"), endpoint("10.0.0.2", #","loadBalancingWeight":2"#)),
    ] {
      #expect(try assignment(other) != served)
    }
    #expect(try assignment(#"{"endpoints":[{"locality":{"zone":"a"}}]}"#) == assignment("{}"))
  }
}
