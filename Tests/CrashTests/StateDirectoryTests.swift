import EnvoyHarness
import Foundation
import Testing

/// What `weir serve` says and does when its state directory is not as it should be.
@Suite("State directory", .serialized) struct StateDirectoryTests {
  private struct Place {
    let directory = TemporaryDirectory(prefix: "weir-state")
    var manifests: ManifestDirectory
    var state: String { directory.path + "/state" }

    init() throws {
      manifests = try ManifestDirectory(in: directory)
      try manifests.write("a.yaml", [ServiceManifest("a", namespace: "shop")])
    }
  }

  @Test func aDirectoryInUseIsRefusedByName() async throws {
    let place = try Place()
    defer { place.directory.remove() }
    let first = try await WeirProcess.serve(manifests: [place.manifests.path], state: place.state, in: place.directory)
    let error = await #expect(throws: HarnessError.self) {
      _ = try await WeirProcess.serve(manifests: [place.manifests.path], state: place.state, in: place.directory)
    }
    #expect("\(error as Any)".contains("exit code 1"))
    #expect("\(error as Any)".contains("\(place.state) is in use by another process: stop that one"))
    // The kernel lets go of what a killed process held.
    await first.kill()
    try await first.startAgain()
    await first.kill()
  }

  /// Without `--state` releases are kept in the user's directory, and nothing else is.
  @Test func releasesAreKeptInTheUsersDirectory() async throws {
    let place = try Place()
    defer { place.directory.remove() }
    func start() async throws -> ChildProcess {
      let process = try await ChildProcess.spawn(
        try WeirProcess.binary(),
        ["serve", "--manifests", place.manifests.path, "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        environment: ["XDG_STATE_HOME": place.state], logPath: place.directory.path + "/weir.log", readsLines: true)
      for await line in process.lines {
        if try JSON(parsing: line)["ready"].bool == true { return process }
      }
      throw HarnessError(.exited, process.logTail())
    }
    let first = try await start()
    let files = try FileManager.default.contentsOfDirectory(atPath: place.state + "/weir").sorted()
    let stores = ["continuity", "releases"].flatMap { name in
      ["\(name).lock"] + ["", "-shm", "-wal"].map { "\(name).sqlite\($0)" }
    }
    #expect(files == (stores + ["releases.reserve"]).sorted())
    let error = await #expect(throws: HarnessError.self) { _ = try await start() }
    #expect("\(error as Any)".contains("\(place.state)/weir is in use by another process"))
    await first.kill()
  }

  @Test func aDirectoryThatCannotBeMadeIsRefusedByName() async throws {
    let place = try Place()
    defer { place.directory.remove() }
    let file = place.directory.path + "/file"
    try Data().write(to: URL(fileURLWithPath: file))
    let error = await #expect(throws: HarnessError.self) {
      _ = try await WeirProcess.serve(
        manifests: [place.manifests.path], state: file + "/state", in: place.directory)
    }
    #expect("\(error as Any)".contains("the state directory \(file)/state cannot be made: Not a directory"))
  }

  /// A damaged file costs what it kept, and says so; the manifests are served.
  @Test func aDamagedFileDoesNotKeepItFromStarting() async throws {
    let place = try Place()
    defer { place.directory.remove() }
    let weir = try await WeirProcess.serve(manifests: [place.manifests.path], state: place.state, in: place.directory)
    await weir.kill()
    try Data(repeating: 0xA5, count: 30_000).write(to: URL(fileURLWithPath: place.state + "/admitted.sqlite"))
    try await weir.startAgain()
    let problems = try await weir.json("/v1/problems")["problems"].array
    let told = problems.first { $0["file"].string == place.state + "/admitted.sqlite" }
    #expect(told?["message"].string?.contains("moved to \(place.state)/admitted.sqlite.damaged-1") == true)
    #expect(try await weir.json("/v1/resources?type=cluster")["resources"].array.count == 1)
    await weir.kill()
  }

  /// As on a full disk: no file may grow beyond some size. Traffic goes on, and the problem names file and reason.
  @Test func aFullDiskDoesNotStopTheTraffic() async throws {
    let place = try Place()
    defer { place.directory.remove() }
    let process = try await ChildProcess.spawn(
      "/usr/bin/env",
      ["--ignore-signal=XFSZ", "prlimit", "--fsize=60000", try WeirProcess.binary(), "serve", "--manifests"]
        + [place.manifests.path, "--state", place.state, "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        + ["--log-level", "critical"],
      logPath: place.directory.path + "/weir.log", readsLines: true)
    let admin = try await within(.seconds(30), "ready") { () -> String in
      for await line in process.lines {
        if let admin = try? JSON(parsing: line)["admin"].string { return admin }
      }
      throw HarnessError(.exited, process.logTail())
    }
    func problem() async throws -> String? {
      try JSON(parsing: try await HTTPCall.get(admin, "/v1/problems").body)["problems"].array
        .compactMap { $0["message"].string }.first { $0.contains("could not be kept") }
    }
    #expect(try await problem() == nil)
    let padding = String(repeating: "#", count: 3_000)
    for number in 0..<20 {
      let yaml = ServiceManifest("s\(number)", namespace: "shop").yaml + "\(padding)\n"
      try place.manifests.write("s\(number).yaml", text: yaml)
    }
    try await poll("all are served") {
      let body = try await HTTPCall.get(admin, "/v1/resources?type=cluster").body
      return try JSON(parsing: body)["resources"].array.count == 21
    }
    try await poll("the problem") { try await problem() != nil }
    let told = try await problem() ?? ""
    #expect(told.contains("\(place.state)/admitted.sqlite") && told.contains("tried again"), "\(told)")
    await process.kill()
  }
}
