import EnvoyHarness
import Foundation
import Logging
import ReleaseControl
import Testing
import Weir

extension EndToEnd {
  /// Webhooks at a release's transitions, with a receiver in another language that verifies every signature.
  @Suite("Webhooks", .serialized, .timeLimit(.minutes(2)))
  struct Webhooks {
    private static let secret = "s3cret"

    /// Told while the receiver is away and the control plane is started anew: all of it comes, once it is back, in order.
    @Test("no notification is lost, and none holds a release")
    func told() async throws {
      let directory = TemporaryDirectory(prefix: "weir-webhooks")
      defer { directory.remove() }
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      let manifests = try ManifestDirectory(in: directory)
      try reviews.write(into: manifests)
      // A port that somebody had a moment ago: nobody listens there.
      let (away, port) = try await receiver(port: 0, in: directory)
      await away.kill()
      let file = directory.path + "/webhooks.json"
      try Data(
        """
        {"webhooks": [
          {"name": "audit", "url": "http://127.0.0.1:\(port)/", "secret": "\(Self.secret)"},
          {"name": "forger", "url": "http://127.0.0.1:\(port)/", "secret": "other", "retries": 3}
        ]}
        """.utf8
      ).write(to: URL(fileURLWithPath: file))
      var configuration = ControlPlaneConfiguration(
        manifests: [manifests.path], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: nil)
      configuration.releaseState = directory.path + "/state"
      configuration.webhooks = try WebhooksConfiguration(file: file)

      let clock = ContinuousClock()
      let began = clock.now
      var plane = try await start(configuration)
      let release = try await plane.releases.start(.canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 100]))
      try await release.setWeight(20)
      await plane.drain(within: .zero)
      plane = try await start(configuration)
      try await plane.releases[release.id].setWeight(30)
      try await plane.releases[release.id].rollback()
      #expect(clock.now - began < .seconds(20), "nobody waits for a receiver that is away")

      let (back, _) = try await receiver(port: port, in: directory)
      let heard = try await within(.seconds(60), "four notifications and three refusals") { () -> [JSON] in
        var heard: [JSON] = []
        for await line in back.lines {
          heard.append(try JSON(parsing: line))
          let (good, bad) = (heard.count { $0["verified"].bool == true }, heard.count { $0["refused"].string != nil })
          if good >= 4, bad >= 1 { break }
        }
        return heard
      }
      let verified = heard.filter { $0["verified"].bool == true }
      #expect(verified.map { $0["action"].string } == ["start", "set-weight", "set-weight", "rollback"])
      let deliveries = verified.compactMap { $0["delivery"].integer }
      #expect(deliveries == deliveries.sorted() && Set(deliveries).count == 4)
      #expect(heard.contains { $0["refused"].string == "the signature is wrong" })
      // The marks that the receiver has noted are the ledger's.
      let ledger = try await plane.releases.ledger()
      for line in verified {
        #expect(ledger.contains { "\($0.sequence):\($0.hash)" == line["mark"].string })
      }
      await plane.drain(within: .zero)
      await back.kill()
      await reviews.stop()
    }

    @Test("weir serve names the file and the field that is wrong")
    func wrong() async throws {
      let directory = TemporaryDirectory(prefix: "weir-webhooks")
      defer { directory.remove() }
      let file = directory.path + "/webhooks.json"
      for (json, complaint) in [
        (#"{"webhooks": [{"name": "a", "url": "ftp://x/"}]}"#, "\(file): webhooks[0].url: is neither http nor https"),
        (#"{"webhooks": [{"name": "a", "url": "http://x/", "events": ["dance"]}]}"#, "webhooks[0].events: there is no"),
        (#"{"webhooks": [{"name": "a"}]}"#, "webhooks[0].url: is missing"), ("{", "\(file): webhooks: this is no JSON"),
      ] {
        try Data(json.utf8).write(to: URL(fileURLWithPath: file))
        let error = await #expect(throws: HarnessError.self) {
          _ = try await WeirProcess.serve(
            manifests: [directory.path], flags: ["--webhooks", file], in: directory)
        }
        #expect("\(error as Any)".contains("--webhooks: ") && "\(error as Any)".contains(complaint))
      }
    }

    private func start(_ configuration: ControlPlaneConfiguration) async throws -> ControlPlane {
      try await ControlPlane.start(
        configuration, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    private func receiver(port: Int, in directory: TemporaryDirectory) async throws -> (ChildProcess, port: Int) {
      let process = try await ChildProcess.spawn(
        "/usr/bin/python3",
        ["-u", try ProgramFile.packageRoot() + "/examples/releases/webhook_receiver.py", "\(port)"],
        environment: ["WEIR_WEBHOOK_SECRET": Self.secret], logPath: directory.path + "/receiver.log", readsLines: true)
      let bound = try await within(.seconds(20), "the receiver listens") {
        for await line in process.lines { return try JSON(parsing: line)["port"].integer }
        throw HarnessError(.exited, "the receiver has ended: \(process.logTail())")
      }
      return (process, try #require(bound))
    }
  }
}
