import ArgumentParser
import Foundation
import ReleaseControl
import TrafficModel
import Testing
import Weir

@testable import WeirCommand

@Suite struct SpecOptionsTests {
  private static func start(_ arguments: [String]) throws -> StartCommand {
    try #require(try RootCommand.parseAsRoot(["release", "start"] + arguments) as? StartCommand)
  }

  private func spec(_ arguments: String...) throws -> ReleaseSpec { try Self.start(arguments).spec.spec() }

  private static let versions = ["--from", "v1", "--to", "v2"]

  @Test func aCanaryHasDefaults() throws {
    #expect(
      try spec("--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,25,50,100")
        == .canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 25, 50, 100]))
  }

  @Test func aCanaryTakesEveryFlag() throws {
    var expected = ReleaseSpec.canary(
      of: "reviews.shop", port: 9080, from: "v1", to: "v2",
      steps: [
        0.05, ReleaseStep(5, pause: .for(.seconds(90))), ReleaseStep(20, pause: .untilApproved),
        ReleaseStep(50, pause: ReleasePause.none),
      ],
      pause: .for(.seconds(30)),
      rules: [
        RequestRule(headers: ["x-user": .exact("jason")], cookies: ["beta": .present]),
        RequestRule(queryParameters: ["v": .prefix("2.")]), RequestRule(headers: [":path": .regex("/a.*")]),
      ], warm: .seconds(3600), stickiness: .cookie(name: "version", ttlSeconds: 7200),
      guardRails: GuardRails(minimumReady: 3, capacity: 50, onShortfall: .hold, onEmpty: .spill))
    expected.versionLabel = "release"
    expected.liveOn = "namespace:shop"
    #expect(
      try spec(
        "--canary", "reviews.shop", "--port", "9080", "--from", "v1", "--to", "v2", "--version-label", "release",
        "--steps", "0.05,5:90s,20:approval,50%:none", "--pause", "30s", "--rule", "header:X-User=jason&cookie:beta",
        "--rule", "query:v^=2.", "--rule", "header::path~=/a.*", "--warm", "1h", "--sticky-cookie", "version",
        "--sticky-ttl", "2h", "--min-ready", "3", "--capacity", "50", "--on-shortfall", "hold", "--on-empty", "spill",
        "--live-on", "namespace:shop")
        == expected)
  }

  @Test func theOtherStrategiesTakeTheirs() throws {
    #expect(
      try spec(
        "--blue-green", "reviews.shop", "--from", "v1", "--to", "v2", "--preview-header", "X-Preview",
        "--preview-header",
        "x-user=a=b", "--preview-host", "reviews.preview", "--rule", "cookie:p", "--pause", "1m", "--warm", "0s")
        == .blueGreen(
          of: "reviews.shop", from: "v1", to: "v2",
          preview: [
            RequestRule(headers: ["x-preview": .present]), RequestRule(headers: ["x-user": .exact("a=b")]),
            RequestRule(cookies: ["p": .present]),
          ], previewHost: "reviews.preview", switching: .for(.seconds(60)), warm: .zero))
    #expect(
      try spec("--blue-green", "reviews.shop", "--from", "v1", "--to", "v2")
        == .blueGreen(of: "reviews.shop", from: "v1", to: "v2"))
    #expect(
      try spec("--rules", "reviews.shop", "--from", "v1", "--to", "v2", "--rule", "header:x-user=jason")
        == .rules([RequestRule(headers: ["x-user": .exact("jason")])], of: "reviews.shop", from: "v1", to: "v2"))
    #expect(
      try spec(
        "--mirror-first", "reviews.shop", "--from", "v1", "--to", "v2", "--mirror", "10", "--mirror-pause", "5m",
        "--steps", "50", "--pause", "none", "--sticky-header", "x-user", "--on-empty", "fail")
        == .mirrorFirst(
          of: "reviews.shop", from: "v1", to: "v2", share: 10, for: .for(.seconds(300)), steps: [50],
          pause: ReleasePause.none,
          stickiness: .header("x-user"), guardRails: GuardRails(onEmpty: .fail)))
  }

  @Test func dryRunPrintsWhatFileReads() async throws {
    let flags = [
      "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "0.05,20:30s,100", "--sticky-header", "x",
    ]
    let written = Written()
    let fake = FakeReleases()
    try await Self.start(flags + ["--dry-run"]).carryOut(on: written.console(fake))
    #expect(fake.asked.isEmpty)
    let file = FileManager.default.temporaryDirectory.appending(path: "weir-spec-\(UUID().uuidString).json")
    try Data(written.output.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let console = Written()
    try await Self.start(["--file", file.path()]).carryOut(on: console.console(fake))
    #expect(try fake.asked.map(\.spec) == [Self.start(flags).spec.spec()])
  }

  @Test func aFileMaySayWhoAndWhy() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "weir-spec-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(
      #"{"service": "a.b", "from": "v1", "to": "v2", "steps": [5], "actor": "bot", "reason": "nightly"}"#.utf8
    ).write(to: file)
    let fake = FakeReleases()
    for flags in [[], ["--actor", "alice", "--reason", "now"]] {
      try await Self.start(["--file", file.path()] + flags).carryOut(on: Written().console(fake))
    }
    #expect(
      fake.asked.map(\.request)
        == [ReleaseRequest(actor: "bot", reason: "nightly"), ReleaseRequest(actor: "alice", reason: "now")])
  }

  @Test func aFileThatIsNoReleaseIsNamedWithThePlace() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "weir-spec-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    for (text, mention) in [
      (#"{"from": "v1", "to": "v2"}"#, "service"),
      (#"{"service": "a.b", "from": "v1", "to": "v2", "stepz": [5]}"#, "stepz"),
      (#"{"service": "a.b", "from": "v1", "to": "v2", "steps": [5, {"weight": 101}]}"#, "steps[1]"),
      (#"{"service": "a.b", "from": "v1", "to": "v2", "steps": [0.001]}"#, "steps[0]"), ("{", "JSON"),
    ] {
      try Data(text.utf8).write(to: file)
      let command = try Self.start(["--file", file.path()])
      await #expect {
        try await command.carryOut(on: Written().console(FakeReleases()))
      } throws: { error in
        "\(error)".contains(mention) && "\(error)".contains(file.lastPathComponent)
      }
    }
    let missing = try Self.start(["--file", "/does/not/exist"])
    await #expect(throws: CommandFailure.self) { try await missing.carryOut(on: Written().console(FakeReleases())) }
  }

  @Test(arguments: [
    ([], "one of --canary, --blue-green, --rules, --mirror-first or --file"),
    (["--canary", "a.b", "--rules", "a.b"] + versions, "one of --canary"),
    (["--canary", "a.b", "--to", "v2", "--steps", "5"], "--from is missing"),
    (["--canary", "a.b", "--from", "v2", "--steps", "5"], "--to is missing"),
    (["--canary", "a.b"] + versions, "--steps are missing"),
    (["--canary", "a.b", "--steps", "5,101"] + versions, "--steps"),
    (["--canary", "a.b", "--steps", "5,0.001"] + versions, "--steps"),
    (["--canary", "a.b", "--steps", "5:soon"] + versions, "a pause is"),
    (["--canary", "a.b", "--steps", "25,5"] + versions, "steps ascend"),
    (["--canary", "a.b", "--steps", "5,"] + versions, "--steps"),
    (["--canary", "a.b", "--steps", "5", "--pause", "-1"] + versions, "--pause"),
    (["--canary", "a.b", "--steps", "5", "--port", "70000"] + versions, "--port"),
    (["--canary", "a.b", "--steps", "5", "--warm", "1w"] + versions, "--warm"),
    (["--canary", "a.b", "--steps", "5", "--mirror", "5"] + versions, "--mirror is not for --canary"),
    (["--canary", "a.b", "--steps", "5", "--mirror-pause", "5s"] + versions, "--mirror-pause is not for --canary"),
    (["--canary", "a.b", "--steps", "5", "--preview-header", "x"] + versions, "--preview-header is not for --canary"),
    (["--canary", "a.b", "--steps", "5", "--preview-host", "x.y"] + versions, "--preview-host is not for --canary"),
    (["--canary", "a.b", "--steps", "5", "--sticky-ttl", "5s"] + versions, "--sticky-ttl is for --sticky-cookie"),
    (
      ["--canary", "a.b", "--steps", "5", "--sticky-cookie", "a", "--sticky-header", "b"] + versions,
      "exclude each other"
    ),
    (["--canary", "a.b", "--steps", "5", "--rule", "x-user=jason"] + versions, "a condition is header:"),
    (["--canary", "a.b", "--steps", "5", "--rule", "body:x"] + versions, "not on a body"),
    (["--canary", "a.b", "--steps", "5", "--rule", "header:=x"] + versions, "has no name"),
    (["--canary", "a.b", "--steps", "5", "--rule", "header:a&header:A=b"] + versions, "A has two conditions"),
    (["--canary", "a.b", "--steps", "5", "--on-empty", "x"] + versions, "fail, spill or freeze-and-roll-back"),
    (["--canary", "a.b", "--steps", "5", "--live-on", "x"] + versions, "--live-on"),
    (["--canary", "a.b", "--steps", "5", "--on-shortfall", "x"] + versions, "refuse or hold"),
    (["--canary", "a.b", "--steps", "5", "--capacity", "101"] + versions, "--capacity"),
    (["--canary", "a.b", "--steps", "5", "--min-ready", "1000001"] + versions, "1000001"),
    (["--canary", "a.b", "--steps", "5", "--min-ready", "-1"] + versions, "--min-ready"),
    (["--blue-green", "a.b", "--steps", "5"] + versions, "--steps is not for --blue-green"),
    (["--blue-green", "a.b", "--sticky-header", "x"] + versions, "--sticky-header is not for --blue-green"),
    (["--blue-green", "a.b", "--from", "v1", "--to", "v1"], "both v1"),
    (["--rules", "a.b"] + versions, "--rule is missing"),
    (["--rules", "a.b", "--rule", "header:x", "--pause", "5s"] + versions, "--pause is not for --rules"),
    (["--rules", "a.b", "--rule", "header:x", "--warm", "5s"] + versions, "--warm is not for --rules"),
    (["--mirror-first", "a.b", "--steps", "5"] + versions, "--mirror is missing"),
    (["--mirror-first", "a.b", "--steps", "5", "--mirror", "5", "--rule", "header:x"] + versions, "--rule is not for"),
    (["--file", "-", "--canary", "a.b"], "--canary and --file exclude each other"),
    (["--file", "-", "--port", "80"], "--port and --file exclude each other"),
    (["--file", "-", "--warm", "80"], "--warm and --file exclude each other"),
    (["--file", ""], "--file"),
  ])
  func wrongUsageNamesTheFlag(arguments: [String], mention: String) {
    do {
      _ = try Self.start(arguments)
      Issue.record("\(arguments) was taken")
    } catch {
      let message = RootCommand.message(for: error)
      #expect(message.contains(mention), "\(message)")
    }
  }
}
