import EnvoyHarness
import Foundation
import Testing

extension EndToEnd {
  /// examples/ReleaseController, as it is, with a real Envoy.
  @Suite("The release controller of the examples", .serialized, .timeLimit(.minutes(2)))
  struct Controller {
    @Test("it moves a service to a version that answers, and back from one that does not", arguments: [true, false])
    func run(_ isGood: Bool) async throws {
      var reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      // Nobody listens there.
      if !isGood { reviews.members[1].endpoint.address = LoopbackAddress.next() }
      try await Mesh.with(.delta) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        let output = try await ChildProcess.output(
          of: ProgramFile.ownDirectory + "/ReleaseController",
          ["http://\(mesh.weir.addresses.admin)", "reviews.shop", "http://\(mesh.outbound)/"],
          accepting: [isGood ? 0 : 1])
        print(output)
        let releases = WeirReleases(admin: mesh.weir.addresses.admin)
        let status = try #require(try await releases.list().first)
        let moves = try await releases.ledger().filter { $0["actor"].string == "release-controller" }
        if isGood {
          #expect(output == "healthy with 10 % on v2\nhealthy with 50 % on v2\nhealthy with 100 % on v2\n")
          #expect(status["weight"].integer == 100)
          #expect(moves.map { $0["action"].string } == ["start", "approve", "approve"])
          #expect(try await mesh.weights(of: "reviews") == ["v2": 100])
        } else {
          #expect(output.contains("back to v1: requests fail"))
          #expect(status["state"].string == "rolledBack")
          #expect(moves.last?["reason"].string?.hasPrefix("requests fail at") == true)
          #expect(try await mesh.weights(of: "reviews") == ["v1": 100])
        }
      }
      await reviews.stop()
    }
  }
}
