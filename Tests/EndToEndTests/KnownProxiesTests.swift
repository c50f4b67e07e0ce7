import EnvoyHarness
import Foundation
import Testing

extension EndToEnd {
  /// "Live" and "safe to terminate" while proxies that run are not connected: a server has just started again, or they have left.
  @Suite("Proxies that are not there", .serialized)
  struct KnownProxies {
    private static func with(_ body: (Mesh, inout ShopService, WeirReleases) async throws -> Void) async throws {
      var reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      for version in ["v1", "v2"] {
        reviews.members.append(try await ShopService.member("reviews-\(version)-1", version: version))
      }
      try await Mesh.with(.delta) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        try await body(mesh, &reviews, WeirReleases(admin: mesh.weir.addresses.admin))
      }
      await reviews.stop()
    }

    /// The answer of `weir safe-to-terminate` for an endpoint.
    private static func safe(_ mesh: Mesh, _ address: String, wait: String = "0") async throws -> JSON {
      try await mesh.weir.json("/v1/safe-to-terminate?address=\(address)&wait=\(wait)")
    }

    /// Endpoints come and go here, and how many carry a share is no matter of these tests.
    private static func spec(_ steps: String) -> String {
      #"{"service": "reviews.shop", "from": "v1", "to": "v2", "steps": \#(steps), "guardRails": {"capacity": 0}}"#
    }

    @Test("After a restart nothing is live, and nothing safe, before those are back who were there before")
    func restart() async throws {
      try await Self.with { mesh, reviews, releases in
        let second = try await mesh.sidecar("second", .stateOfTheWorld)
        let envoys = [mesh.envoy, second]
        let release = try await releases.start(Self.spec(#"[5, {"weight": 50, "pause": "none"}, 100]"#))
        let id = try #require(release["id"].string)
        #expect(try await releases.live(id, waitSeconds: 10)["isLive"].bool == true)
        await mesh.weir.kill()
        for envoy in envoys { envoy.pause() }
        let leaving = reviews.members.removeFirst()
        try reviews.writeEndpoints(into: mesh.manifests)
        try await mesh.weir.startAgain()

        // With this one the release goes on by itself as soon as it is live.
        _ = try await releases.move(id, "approve", #"{"step": 0}"#)
        let live = try await releases.live(id, waitSeconds: 1)
        #expect(live["isLive"].bool == false && live["total"].integer == 2, "\(live)")
        #expect(live["laggards"].array.map { $0["node"].string } == ["second", "sidecar-delta"], "\(live)")
        let safe = try await Self.safe(mesh, leaving.backend.address, wait: "500ms")
        #expect(safe["safe"].bool == false, "\(safe)")
        #expect(safe["proxies"].array.map { $0["nodeID"].string } == ["second", "sidecar-delta"], "\(safe)")
        #expect(try await releases.status(of: id)["weight"].integer == 50)
        #expect(try await mesh.weir.json("/v1/convergence?wait=200ms")["live"].bool == false)

        // One of two is not all.
        mesh.envoy.resume()
        try await poll("sidecar-delta is live", within: .seconds(30)) {
          try await mesh.weir.json("/v1/convergence?scope=node:sidecar-delta")["live"].bool == true
        }
        let one = try await releases.live(id, waitSeconds: 1)
        #expect(one["laggards"].array.map { $0["node"].string } == ["second"], "\(one)")
        #expect(try await releases.status(of: id)["weight"].integer == 50)
        second.resume()
        try await poll("the release has gone on", within: .seconds(30)) {
          try await releases.status(of: id)["state"].string == "succeeded"
        }
        for envoy in envoys { #expect(try await envoy.shares(of: "reviews") == ["v2": 100]) }
        #expect(try await Self.safe(mesh, leaving.backend.address, wait: "10s")["safe"].bool == true)
        await leaving.backend.stop()
        await second.stop()
      }
    }

    @Test("A step that is due after a restart is not taken before those are back who were there before")
    func dueStep() async throws {
      try await Self.with { mesh, _, releases in
        let release = try await releases.start(Self.spec(#"[{"weight": 5, "pause": 3}, 50, 100]"#))
        let id = try #require(release["id"].string)
        try await poll("the pause has begun") { try await releases.status(of: id)["dueAt"].string != nil }
        await mesh.weir.kill()
        mesh.envoy.pause()
        try await mesh.weir.startAgain()
        try await poll("it waits for the proxy", within: .seconds(30)) {
          try await releases.status(of: id)["waitsFor"].string == "proxy sidecar-delta (disconnected)"
        }
        #expect(try await releases.status(of: id)["weight"].integer == 5)
        // Each change is told, until it is live.
        let path = "/v1/convergence?service=reviews.shop"
        let admin = mesh.weir.addresses.admin
        async let told = HTTPCall.get(
          admin, path, headers: ["accept": "application/x-ndjson"], timeout: .seconds(60))
        mesh.envoy.resume()
        let lines = try await told.body.split(separator: "\n").map { try JSON(parsing: String($0)) }
        #expect(lines.last?["live"].bool == true, "\(lines)")
        try await poll("the step is taken", within: .seconds(30)) {
          try await releases.status(of: id)["weight"].integer == 50
        }
      }
    }

    @Test("A hook that waits before a pod is stopped goes on while the server is restarted")
    func hook() async throws {
      try await Self.with { mesh, reviews, _ in
        let leaving = reviews.members.removeFirst()
        await mesh.weir.kill()
        let log = mesh.directory.path + "/hook.log"
        let hook = try await ChildProcess.spawn(
          WeirProcess.binary(),
          [
            "safe-to-terminate", leaving.backend.address, "--wait", "60s", "--server",
            "http://\(mesh.weir.addresses.admin)",
          ],
          logPath: log, readsLines: true)
        try await poll("it has found nobody") {
          try String(contentsOfFile: log, encoding: .utf8).contains("It is asked again")
        }
        mesh.envoy.pause()
        try reviews.writeEndpoints(into: mesh.manifests)
        // It is there, and goes again.
        try await mesh.weir.startAgain()
        await mesh.weir.kill()
        try await mesh.weir.startAgain()
        mesh.envoy.resume()
        var output = ""
        for await line in hook.lines { output += line }
        let exit = await hook.waitForExit()
        #expect(exit == .code(0), "\(exit): \(output) \(hook.logTail())")
        #expect(output == "safe: none of 1 proxy can pick it")
        await leaving.backend.stop()
      }
    }

    @Test("Where nobody was ever connected a release waits, and every answer says for whom")
    func nobody() async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      let directory = TemporaryDirectory(prefix: "weir-nobody")
      defer { directory.remove() }
      let manifests = try ManifestDirectory(in: directory)
      try reviews.write(into: manifests)
      let weir = try await WeirProcess.serve(
        manifests: [manifests.path], state: directory.path + "/state", in: directory)
      do {
        let admin = weir.addresses.admin
        let releases = WeirReleases(admin: admin)
        let release = try await releases.start(Self.spec(#"[{"weight": 5, "pause": "none"}, 100]"#))
        let id = try #require(release["id"].string)
        let live = try await releases.live(id, waitSeconds: 1)
        #expect(live["isLive"].bool == false && live["total"].integer == 0, "\(live)")
        let status = try await releases.status(of: id)
        #expect(status["weight"].integer == 5 && status["state"].string == "running", "\(status)")
        #expect(status["waitsFor"].string == "no proxy is connected")
        let run = try await CommandRun.weir(["release", "status", id, "--wait", "100ms", "--server", "http://\(admin)"])
        #expect(run.code == 3 && run.output.contains("is not live: no proxy is connected"), "\(run)")
        #expect(try await CommandRun.weir(["live", "--server", "http://\(admin)"]).code == 3)
        #expect(try await CommandRun.weir(["live", "--at-least", "0", "--server", "http://\(admin)"]).code == 0)
        // It is known that there was none.
        let safe = try await CommandRun.weir(["safe-to-terminate", "10.9.9.9:80", "--server", "http://\(admin)"])
        #expect(safe.code == 0 && safe.output == "safe: none of 0 proxies can pick it\n", "\(safe)")
      } catch {
        await weir.kill()
        throw error
      }
      await weir.terminate()
      await reviews.stop()
    }

    @Test("Whose pod is gone from its EndpointSlice is not waited for, connected or not when that comes")
    func scaledDown() async throws {
      try await Self.with { mesh, reviews, releases in
        let pods = reviews.members.filter { $0.backend.version == "v1" }
        // Sidecars of these pods, by their names.
        let sidecars = [try await mesh.sidecar(pods[0].pod), try await mesh.sidecar(pods[1].pod, .stateOfTheWorld)]
        let release = try await releases.start(Self.spec("[5, 100]"))
        let id = try #require(release["id"].string)
        #expect(try await releases.live(id, waitSeconds: 10)["total"].integer == 3)
        // First the proxy, then its endpoint. (A proxy is looked for among the endpoints soon after it has taken something, and the
        // answer below takes longer.)
        await sidecars[0].stop()
        _ = try await releases.move(id, "set-weight", #"{"weight": 10}"#)
        let before = try await releases.live(id, waitSeconds: 1)
        #expect(before["laggards"].array.map { $0["node"].string } == [pods[0].pod], "\(before)")
        reviews.members.removeAll { $0.pod == pods[0].pod }
        try reviews.writeEndpoints(into: mesh.manifests)
        #expect(try await releases.live(id, waitSeconds: 10)["isLive"].bool == true)
        #expect(try await Self.safe(mesh, pods[0].backend.address, wait: "10s")["safe"].bool == true)
        // First the endpoint, then its proxy.
        reviews.members.removeAll { $0.pod == pods[1].pod }
        reviews.members.append(try await ShopService.member("reviews-v1-new", version: "v1"))
        try reviews.writeEndpoints(into: mesh.manifests)
        try await poll("the endpoint is gone") {
          try await Self.safe(mesh, pods[1].backend.address)["served"].array.isEmpty
        }
        await sidecars[1].stop()
        _ = try await releases.move(id, "set-weight", #"{"weight": 20}"#)
        let after = try await releases.live(id, waitSeconds: 10)
        #expect(after["isLive"].bool == true && after["total"].integer == 1, "\(after)")
        #expect(try await Self.safe(mesh, pods[1].backend.address, wait: "10s")["safe"].bool == true)
        for pod in pods { await pod.backend.stop() }
      }
    }

    @Test("A proxy that has left is forgotten when somebody says so, and the ledger says who")
    func forgotten() async throws {
      try await Self.with { mesh, _, releases in
        let gone = try await mesh.sidecar("gone")
        let release = try await releases.start(Self.spec("[5, 100]"))
        let id = try #require(release["id"].string)
        #expect(try await releases.live(id, waitSeconds: 10)["total"].integer == 2)
        await gone.stop()
        _ = try await releases.move(id, "set-weight", #"{"weight": 10}"#)
        let live = try await releases.live(id, waitSeconds: 1)
        #expect(live["laggards"].array.map { $0["state"].string } == ["disconnected"], "\(live)")
        let server = "http://\(mesh.weir.addresses.admin)"
        func forget(_ node: String) async throws -> CommandRun {
          try await CommandRun.weir([
            "forget-proxy", node, "--actor", "alice", "--reason", "scaled down", "--server", server,
          ])
        }
        let connected = try await forget("sidecar-delta")
        #expect(connected.code == 1 && connected.errors.contains("sidecar-delta is connected"), "\(connected)")
        let unknown = try await forget("nobody")
        #expect(unknown.code == 1 && unknown.errors.contains("no proxy nobody is waited for"), "\(unknown)")
        let run = try await forget("gone")
        #expect(run.code == 0 && run.output == "proxy gone is forgotten\n", "\(run)")
        #expect(try await releases.live(id, waitSeconds: 10)["isLive"].bool == true)
        let entry = try await releases.ledger().first { $0["action"].string == "forget-proxy" }
        #expect(entry?["actor"].string == "alice" && entry?["release"].string == id, "\(String(describing: entry))")
        #expect(entry?["outcome"].string == "proxy gone is not waited for any longer")
        #expect(try await releases.ledgerFinding() == nil)
      }
    }

    @Test("A generation of before a restart is told from those of now")
    func generations() async throws {
      try await Self.with { mesh, _, releases in
        let release = try await releases.start(Self.spec("[5, 100]"))
        let (id, token) = (try #require(release["id"].string), try #require(release["generation"].integer))
        #expect(try await releases.live(id, waitSeconds: 10)["isLive"].bool == true)
        await mesh.weir.kill()
        try await mesh.weir.startAgain()
        let admin = mesh.weir.addresses.admin
        let now = try #require(try await releases.status(of: id)["generation"].integer)
        #expect(now > token)
        let answer = try await HTTPCall.get(admin, "/v1/releases/\(id)/live?generation=\(token)&wait=10s")
        #expect(answer.status == 404 && answer.body.contains("is of a process before this one"), "\(answer)")
        let convergence = try await HTTPCall.get(admin, "/v1/convergence?generation=\(token)")
        #expect(convergence.status == 400 && convergence.body.contains("is of a process before"), "\(convergence)")
        #expect(try await releases.live(id, waitSeconds: 10)["isLive"].bool == true)
      }
    }
  }
}
