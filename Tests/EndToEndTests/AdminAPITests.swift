import EnvoyHarness
import Foundation
import Testing

extension EndToEnd {
  /// The admin API as strangers use it: schemathesis, and a controller in Python.
  @Suite("The admin API", .serialized, .timeLimit(.minutes(3)))
  struct AdminAPI {
    /// Another run of random requests: `WEIR_SEED=N`, or `WEIR_SEED=random`.
    private static var seed: UInt32 {
      let given = ProcessInfo.processInfo.environment["WEIR_SEED"]
      if given == "random" { return .random(in: 1...(.max)) }
      return given.flatMap { UInt32($0) } ?? 1
    }

    @Test("does what its OpenAPI document says, whatever it is sent")
    func schemathesis() async throws {
      let directory = TemporaryDirectory(prefix: "weir-schemathesis")
      defer { directory.remove() }
      let manifests = try ManifestDirectory(in: directory)
      for (index, service) in ["reviews", "ratings", "details"].enumerated() {
        let pods = ["v1", "v2"].map { PodManifest("\(service)-\($0)", namespace: "shop", labels: ["version": $0]) }
        // Nobody is there, and nobody is asked.
        let slice = EndpointSliceManifest(
          "\(service)-1", namespace: "shop", service: service,
          endpoints: [
            .init("10.0.\(index).1", pod: "\(service)-v1"), .init("10.0.\(index).2", pod: "\(service)-v2"),
          ])
        try manifests.write("\(service).yaml", [ServiceManifest(service, namespace: "shop")] + pods + [slice])
      }
      let weir = try await WeirProcess.serve(
        manifests: [manifests.path], state: directory.path + "/state", in: directory)
      do {
        let root = try ProgramFile.packageRoot()
        let seed = Self.seed
        print("schemathesis: WEIR_SEED=\(seed)")
        let output = try await ChildProcess.output(
          of: root + "/.venv/bin/python",
          [
            root + "/Tests/EndToEndTests/schemathesis/run.py", "http://\(weir.addresses.admin)", "\(seed)", "30",
            directory.path,
          ], accepting: [0, 1])
        // It says what it found, and how to do it again.
        #expect(!output.contains("Failures:") && output.contains("No issues found"), "WEIR_SEED=\(seed): \(output)")
        let cases = try #require(output.firstMatch(of: /(\d+) generated/).flatMap { Int($0.1) })
        #expect(cases > 300, "\(output)")
        // It came to something: releases were started and moved, and the ledger holds.
        let ledger = try await weir.json("/v1/ledger?limit=10000")["entries"].array
        let actions = Set(ledger.compactMap { $0["action"].string })
        print("schemathesis: \(cases) requests, \(ledger.count) entries of the ledger: \(actions.sorted())")
        #expect(actions.contains("start") && actions.count >= 4, "\(actions)")
        #expect(try await weir.json("/v1/ledger/verify")["finding"] == .null)
        #expect(await weir.process.isRunning)
      } catch {
        await weir.kill()
        throw error
      }
      #expect(await weir.terminate() == .code(0))
    }

    @Test("a controller in Python releases a version that is good, and takes back one that is not")
    func controller() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        func control(from: String, to: String, ending code: Int32) async throws -> String {
          try await ChildProcess.output(
            of: "/usr/bin/python3",
            [
              ProgramFile.packageRoot() + "/examples/release_controller.py", "reviews.shop", from, to, "--weir",
              "http://\(mesh.weir.addresses.admin)", "--probe", "http://\(mesh.outbound)/", "--host", "reviews",
              "--steps",
              "10,50", "--requests", "40",
            ], accepting: [code])
        }
        let released = try await control(from: "v1", to: "v2", ending: 0)
        #expect(released == "10 %: good\n50 %: good\nreviews.shop-1: succeeded\n")
        #expect(try await mesh.weights(of: "reviews") == ["v2": 100])

        // The manifests say that v1 is there; it is not.
        await reviews.members[0].backend.stop()
        let takenBack = try await control(from: "v2", to: "v1", ending: 1)
        #expect(takenBack.contains("of the requests were answered well"), "\(takenBack)")
        #expect(takenBack.hasSuffix("reviews.shop-2: rolledBack\n"))
        #expect(try await mesh.weights(of: "reviews") == ["v2": 100])
        let history = try await mesh.weir.json("/v1/releases/reviews.shop-2/history")["entries"].array
        let rollback = history.first { $0["action"].string == "rollback" }
        #expect(rollback?["actor"].string == "release_controller.py")
        #expect(rollback?["reason"].string?.contains("answered well") == true)
      }
      await reviews.stop()
    }
  }
}
