import EnvoyHarness
import Glibc
import Testing

extension EndToEnd {
  /// `weir release` against a `weir serve`, with real Envoys: what it says is what they have.
  @Suite("Releases by the command line", .serialized)
  struct ReleaseCommands {
    private static func with(_ body: (Mesh, ShopService) async throws -> Void) async throws {
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        try await body(mesh, reviews)
      }
      await reviews.stop()
    }

    @Test("What --wait says is live is in each Envoy's own configuration, at every step")
    func liveIsTrue() async throws {
      try await Self.with { mesh, reviews in
        let others = [try await mesh.sidecar("second"), try await mesh.sidecar("third", .stateOfTheWorld)]
        let envoys = [mesh.envoy] + others
        /// Asked once, the moment the command has ended.
        func expect(_ shares: [String: Int], _ run: CommandRun) async throws {
          #expect(run.output.contains(" is live: 3 of 3 proxies"), "\(run.output)")
          for envoy in envoys {
            #expect(try await envoy.shares(of: "reviews") == shares)
            let hosts = try await envoy.hosts()
            for version in shares.keys {
              let wanted = reviews.members.filter { $0.backend.version == version }.map(\.backend.address)
              let cluster = try #require(hosts[Mesh.cluster("reviews", subset: version)], "\(version)")
              #expect(Set(cluster.map(\.address)) == Set(wanted))
              #expect(cluster.allSatisfy { $0.health == "HEALTHY" })
            }
          }
        }
        try await expect(
          ["v1": 9500, "v2": 500],
          try await mesh.release(
            "start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,25,50,100", "--actor",
            "alice", "--wait", "10s"))
        for (weight, shares) in [(25, ["v1": 7500, "v2": 2500]), (50, ["v1": 5000, "v2": 5000])] {
          let run = try await mesh.release("approve", "reviews.shop", "--wait", "10s")
          #expect(run.output.hasPrefix("reviews.shop-1: \(weight) % on v2, waiting for an approval"), "\(run.output)")
          try await expect(shares, run)
        }
        try await expect(
          ["v1": 9995, "v2": 5], try await mesh.release("set-weight", "reviews.shop-1", "0.05", "--wait", "10s"))
        try await expect(["v2": 100], try await mesh.release("promote", "reviews", "--wait", "10s"))
        try await expect(
          ["v1": 100],
          try await mesh.release("rollback", "reviews.shop", "--reason", "enough seen", "--wait", "10s"))
        try await expect(["v1": 100], try await mesh.release("status", "reviews.shop", "--wait", "10s"))

        let history = try await mesh.release("history", "reviews.shop").output
        for word in ["start", "approve", "set-weight", "promote", "rollback", "alice", "enough seen"] {
          #expect(history.contains(word), "\(word): \(history)")
        }
        let lines = try await mesh.release("history", "--json").output.split(separator: "\n")
        #expect(try lines.allSatisfy { try JSON(parsing: String($0))["hash"].string?.isEmpty == false })
        #expect(try await mesh.release("verify").output.hasPrefix("ok: the ledger of \(lines.count) entries"))
        #expect(try await mesh.release("list").output.contains("reviews.shop-1  canary"))
        for envoy in others { await envoy.stop() }
      }
    }

    @Test("A frozen Envoy is named, and nobody else; when it wakes up, the answer is yes")
    func frozen() async throws {
      try await Self.with { mesh, _ in
        let frozen = try await mesh.sidecar("frozen")
        try await mesh.release(
          "start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100", "--wait", "10s")
        frozen.pause()
        let run = try await mesh.release("set-weight", "reviews.shop", "20", "--wait", "1s", exits: 3)
        #expect(run.output.contains(" is not live: 1 of 2 proxies\nfrozen "), "\(run.output)")
        #expect(!run.output.contains("sidecar-delta"))
        #expect(try await mesh.envoy.shares(of: "reviews") == ["v1": 8000, "v2": 2000])
        let json = try JSON(
          parsing: try await mesh.release("status", "reviews.shop", "--wait", "100ms", "--json", exits: 3).output)
        #expect(json["live"]["laggards"].array.map { $0["node"].string } == ["frozen"])
        #expect(json["release"]["weight"].integer == 20)
        frozen.resume()
        try await mesh.release("status", "reviews.shop", "--wait", "10s")
        #expect(try await frozen.shares(of: "reviews") == ["v1": 8000, "v2": 2000])
        await frozen.stop()
      }
    }

    @Test("An Envoy that refuses is named with its own words, and has what it had")
    func refused() async throws {
      try await Self.with { mesh, _ in
        let strict = try await mesh.sidecar("strict", refusesExpressions: true)
        let run = try await mesh.release(
          "start", "--rules", "reviews.shop", "--from", "v1", "--to", "v2", "--rule", "header:x-user~=b.*", "--wait",
          "2s", exits: 3)
        #expect(run.output.contains(" is not live: 1 of 2 proxies\nstrict "), "\(run.output)")
        #expect(run.output.contains("NACK"), "\(run.output)")
        #expect(run.output.contains("RegexMatcher.google_re2"), "Envoy's own words: \(run.output)")
        #expect(!run.output.contains("sidecar-delta"))
        #expect(try await mesh.envoy.routeCount(of: "reviews") == 2)
        #expect(try await strict.routeCount(of: "reviews") == 1)
        try await mesh.release("rollback", "reviews.shop", "--wait", "10s")
        await strict.stop()
      }
    }

    @Test("What is refused exits with 2, what is wrong with 1, and what is repeated is done once")
    func refusals() async throws {
      try await Self.with { mesh, _ in
        let start = [
          "start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100", "--idempotency-key",
          "k",
        ]
        func weir(_ arguments: [String], _ code: Int32) async throws -> CommandRun {
          let run = try await CommandRun.weir(
            ["release"] + arguments + ["--server", mesh.weir.addresses.admin])
          #expect(run.code == code, "\(arguments): \(run.output)\(run.errors)")
          return run
        }
        let first = try await weir(start, 0)
        #expect(try await weir(start, 0).output == first.output)
        let second = try await weir(Array(start.dropLast(2)), 2)
        #expect(second.output.isEmpty)
        #expect(second.errors.hasPrefix("Error: "))
        #expect(try await weir(["pause", "reviews.shop", "--if-revision", "7"], 2).errors.contains("revision"))
        _ = try await weir(["rollback", "reviews.shop"], 0)
        #expect(try await weir(["approve", "reviews.shop"], 2).errors.contains("allowed now: retire"))
        #expect(try await weir(["approve", "nobody.shop"], 1).errors.contains("nobody.shop"))
        _ = try await weir(["approve"], 1)
        #expect(
          try await CommandRun.weir(["release", "list", "--server", "127.0.0.1:1"]).errors.contains(
            "is `weir serve` running"))
      }
    }

    @Test("Where the server wants a token, changes need it, and looking does not")
    func token() async throws {
      let directory = TemporaryDirectory(prefix: "weir-token")
      defer { directory.remove() }
      let tokens = try ManifestDirectory(in: directory)
      try tokens.write("token", text: "0123456789abcdef-token\n")
      try tokens.write("wrong", text: "another-token-of-nobody\n")
      let reviews = try await ShopService("reviews", versions: ["v1", "v2"])
      try await Mesh.with(.delta, flags: ["--admin-token-file", tokens.path + "/token"]) { manifests in
        try reviews.write(into: manifests)
      } _: { mesh async throws in
        let start = ["--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100"]
        func weir(_ arguments: [String], _ code: Int32) async throws -> CommandRun {
          let run = try await CommandRun.weir(["release"] + arguments + ["--server", mesh.weir.addresses.admin])
          #expect(run.code == code, "\(arguments): \(run.output)\(run.errors)")
          return run
        }
        #expect(try await weir(["start"] + start, 1).errors.contains("token"))
        #expect(
          try await weir(["start", "--token-file", tokens.path + "/wrong"] + start, 1).errors.contains("token"))
        _ = try await weir(["start", "--token-file", tokens.path + "/token", "--wait", "10s"] + start, 0)
        #expect(try await weir(["list"], 0).output.contains("reviews.shop-1"))
      }
      await reviews.stop()
    }

    @Test("Who watches sees each change, and goes on when the server has been restarted")
    func watch() async throws {
      try await Self.with { mesh, _ in
        try await mesh.release(
          "start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100", "--wait", "10s")
        let watching = try await ChildProcess.spawn(
          WeirProcess.binary(), ["release", "watch", "reviews.shop", "--server", mesh.weir.addresses.admin],
          logPath: mesh.directory.path + "/watch.log", readsLines: true)
        let lines = watching.lines
        func wait(_ text: String) async throws {
          try await within(.seconds(20), "a line with \"\(text)\"") {
            for await line in lines where line.contains(text) { return }
            throw HarnessError(.exited, "the watch ended: \(watching.logTail())")
          }
        }
        try await wait("5 % on v2, waiting for an approval")
        try await wait("is live: 1 of 1 proxy")
        try await mesh.release("set-weight", "reviews.shop", "20")
        try await wait("20 % on v2")
        await mesh.weir.terminate()
        try await wait("no answer from the server")
        try await mesh.weir.startAgain()
        try await wait("the server answers again")
        try await mesh.release("set-weight", "reviews.shop", "30")
        try await wait("30 % on v2")
        watching.send(signal: SIGINT)
        #expect(await watching.waitForExit() == .code(0))
      }
    }

    @Test("On a terminal the picture fits into it, and Ctrl-C brings back what was there")
    func terminal() async throws {
      try await Self.with { mesh, _ in
        try await mesh.release(
          "start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100", "--wait", "10s")
        // The shell that becomes weir says which process that is.
        let command =
          "stty cols 38 rows 11; echo pid=$$; exec \(try WeirProcess.binary()) release watch reviews.shop --server "
          + mesh.weir.addresses.admin
        let screen = try await ChildProcess.spawn(
          "/usr/bin/script", ["-q", "-e", "-c", "exec /bin/sh -c '\(command)'", "/dev/null"],
          environment: ["TERM": "xterm"], logPath: mesh.directory.path + "/screen.log", readsLines: true)
        let (lines, seen) = AsyncStream.makeStream(of: String.self)
        let reading = Task {
          var all: [String] = []
          for await line in screen.lines {
            all.append(line)
            seen.yield(line)
          }
          seen.finish()
          return all
        }
        let pid = try await within(.seconds(20), "the picture") { () -> Int32 in
          var pid: Int32?
          for await line in lines {
            if line.hasPrefix("pid=") { pid = Int32(line.dropFirst(4).prefix { $0.isNumber }) }
            if line.contains("1 of 1 proxy"), let pid { return pid }
          }
          throw HarnessError(.exited, "the watch ended: \(screen.logTail())")
        }
        #expect(kill(pid, SIGINT) == 0)
        #expect(await screen.waitForExit() == .code(0))
        let text = await reading.value.joined(separator: "\n")
        let parts = text.components(separatedBy: "\u{1b}[?25h\u{1b}[?1049l")
        #expect(parts.count == 2, "\(text)")
        #expect(parts[0].contains("\u{1b}[?1049h\u{1b}[?25l"))
        let left = parts[parts.count - 1].split(whereSeparator: \.isNewline)
        #expect(left.first?.hasPrefix("reviews.shop-1  canary") == true, "\(left)")
        #expect((4...11).contains(left.count))
        #expect(left.allSatisfy { $0.count <= 38 }, "\(left)")
      }
    }

    @Test("A shell is offered the names of releases by the server")
    func completion() async throws {
      try await Self.with { mesh, _ in
        try await mesh.release("start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100")
        let bash = """
          PATH=$(dirname "$1"):$PATH
          source <("$1" completions bash)
          COMP_WORDS=(weir release status --server "$2" rev) COMP_CWORD=5
          COMP_LINE="weir release status --server $2 rev" COMP_POINT=${#COMP_LINE}
          _weir weir rev "$2"
          printf '%s\\n' "${COMPREPLY[@]}"
          """
        let offered = try await ChildProcess.output(
          of: "/bin/bash", ["-c", bash, "bash", WeirProcess.binary(), mesh.weir.addresses.admin])
        #expect(offered.split(separator: "\n") == ["reviews.shop", "reviews.shop-1"], "\(offered)")
      }
    }
  }
}
