import EnvoyHarness
import Testing

@Suite("Envoy's dump held against what is served")
struct EnvoyConfigurationTests {
  @Test("Protobuf's own names become those of its JSON mapping, at every depth")
  func names() throws {
    let dumped = try JSON(parsing: #"{"a_b_c":[{"eds_config":{"ads":{}}}],"plain":1}"#)
    #expect(dumped.withProtobufNames == (try JSON(parsing: #"{"aBC":[{"edsConfig":{"ads":{}}}],"plain":1}"#)))
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
