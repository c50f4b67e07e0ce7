import Foundation
import Testing

/// protos/xds against the real descriptors, and Sources/CWeirProtos against protos/.
@Suite struct DescriptorTests {
  private static let compare = "scripts/descriptors/compare.py"

  @Test func everyMessageEqualsTheRealOne() throws {
    let outcome = try Scripts.python(Self.compare)
    print(outcome.output)
    #expect(outcome.status == 0, "\(outcome.output)")
    let files = try Self.protoFiles().count
    #expect(outcome.output.contains("compared \(files) files, "), "every file is compared: \(outcome.output)")
  }

  struct Mutation: CustomTestStringConvertible {
    var file: String
    var from: String
    var to: String
    /// What the comparison must say.
    var difference: String
    var testDescription: String { "\(from) → \(to)" }
  }

  @Test(arguments: [
    Mutation(
      file: "google/protobuf/duration.proto", from: "int32 nanos = 2;", to: "int32 nanos = 3;",
      difference: "google.protobuf.Duration.nanos: number is 3, really 2"),
    Mutation(
      file: "envoy/config/core/v3/address.proto", from: "uint32 port_value = 3;", to: "int32 port_value = 3;",
      difference: "envoy.config.core.v3.SocketAddress.port_value: type is"),
    Mutation(
      file: "envoy/config/core/v3/health_check.proto", from: "DRAINING = 3;", to: "DRAINING = 6;",
      difference: "envoy.config.core.v3.HealthStatus.DRAINING: number is 6, really 3"),
    Mutation(
      file: "envoy/config/route/v3/route_components.proto", from: "repeated string domains = 2;",
      to: "string domains = 2;", difference: "envoy.config.route.v3.VirtualHost.domains: repeated is False, really True"
    ),
    Mutation(
      file: "google/protobuf/any.proto", from: "string type_url = 1;", to: "oneof x { string type_url = 1; }",
      difference: "google.protobuf.Any.type_url: oneof is 'google.protobuf.Any.x', really None"),
    Mutation(
      file: "envoy/service/discovery/v3/discovery.proto", from: "string nonce = 5;", to: "string once = 5;",
      difference: "envoy.service.discovery.v3.DiscoveryResponse.once: does not really exist"),
  ])
  func oneChangeIsFound(_ mutation: Mutation) throws {
    try Scripts.withTemporaryFolder { folder in
      let copy = folder.appendingPathComponent("xds")
      try FileManager.default.copyItem(at: Self.protos, to: copy)
      let file = copy.appendingPathComponent(mutation.file)
      let text = try String(contentsOf: file, encoding: .utf8)
      let range = try #require(text.range(of: mutation.from))
      try text.replacingCharacters(in: range, with: mutation.to).write(to: file, atomically: true, encoding: .utf8)

      let outcome = try Scripts.python(Self.compare, ["--protos", copy.path])
      #expect(outcome.status == 1, "\(outcome.output)")
      #expect(outcome.output.contains(mutation.difference), "\(outcome.output)")
    }
  }

  @Test func regeneratingLeavesNoDifference() throws {
    let script = Scripts.packageRoot.appendingPathComponent("scripts/generate-protos")
    let outcome = try Scripts.run(script, ["--check"])
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  private static let protos = Scripts.packageRoot.appendingPathComponent("protos/xds")

  private static func protoFiles() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: protos.path).filter { $0.hasSuffix(".proto") }
  }
}
