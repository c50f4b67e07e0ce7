import EnvoyBootstrap
import Foundation
import Logging
import Testing

@testable import WeirCommand

@Suite struct CommandLineTests {
  private func parse<Command>(_ type: Command.Type, _ arguments: [String]) throws -> Command {
    try #require(try RootCommand.parseAsRoot(arguments) as? Command)
  }

  private func complaint(_ arguments: [String]) -> String {
    do {
      _ = try RootCommand.parseAsRoot(arguments)
      return ""
    } catch {
      return RootCommand.message(for: error)
    }
  }

  private let folder = FileManager.default.temporaryDirectory.path()

  @Test func serveHasDefaults() throws {
    let command = try parse(ServeCommand.self, ["serve", "--manifests", folder])
    #expect(
      command.options(descriptors: 1_000_000)
        == ServeOptions(
          manifests: [folder], xds: HostPort(host: "127.0.0.1", port: 15010),
          admin: HostPort(host: "127.0.0.1", port: 15014), state: nil, logLevel: .info, drainTime: .seconds(10)))
  }

  @Test func serveTakesEveryFlag() throws {
    let command = try parse(
      ServeCommand.self,
      [
        "serve", "--manifests", folder, "/", "--xds", "[::]:0", "--admin", "localhost:1", "--state", "/new/state",
        "--log-level", "debug", "--drain-time", "0.5", "--manifests", "/tmp",
      ])
    #expect(
      command.options(descriptors: 1_000_000)
        == ServeOptions(
          manifests: [folder, "/", "/tmp"], xds: HostPort(host: "::", port: 0),
          admin: HostPort(host: "localhost", port: 1),
          state: "/new/state", logLevel: .debug, drainTime: .milliseconds(500)))
  }

  @Test func bootstrapTakesEveryFlag() throws {
    let least = try parse(BootstrapCommand.self, ["bootstrap", "--xds", "10.0.0.1:15010", "--node-id", "n"])
    #expect(least.bootstrap == SidecarBootstrap(nodeID: "n", xds: HostPort(host: "10.0.0.1", port: 15010)))
    let most = try parse(
      BootstrapCommand.self,
      [
        "bootstrap", "--xds", "weir:15010", "--node-id", "n", "--namespace", "shop", "--label", "app=a=b", "--label",
        "empty=", "--listen", "[::1]:0", "--admin", "0.0.0.0:0", "--protocol", "sotw",
      ])
    #expect(
      most.bootstrap
        == SidecarBootstrap(
          nodeID: "n", namespace: "shop", labels: ["app": "a=b", "empty": ""], xds: HostPort(host: "weir", port: 15010),
          listen: HostPort(host: "::1", port: 0), admin: HostPort(host: "0.0.0.0", port: 0), discoveryProtocol: .sotw))
  }

  @Test(arguments: [
    ("http://127.0.0.1:15014", HostPort(host: "127.0.0.1", port: 15014)),
    ("HTTP://[::1]:5/", HostPort(host: "::1", port: 5)), ("weir.infra:80", HostPort(host: "weir.infra", port: 80)),
  ])
  func proxiesTakesAURL(url: String, expected: HostPort) throws {
    #expect(try parse(ProxiesCommand.self, ["proxies", "--admin", url]).admin == expected)
  }

  @Test(arguments: [
    (["serve"], "--manifests"),
    (["serve", "--manifests"], "--manifests"),
    (["serve", "--manifests", "/does/not/exist"], "--manifests: /does/not/exist does not exist"),
    (["serve", "--manifests", "/dev/null"], "--manifests: /dev/null is not a directory"),
    (["serve", "--manifests", "/", "--xds", "15010"], "--xds"),
    (["serve", "--manifests", "/", "--xds", "127.0.0.1:65536"], "from 0 to 65535"),
    (["serve", "--manifests", "/", "--admin", "::1:80"], "--admin"),
    (["serve", "--manifests", "/", "--state", "/dev/null"], "--state: /dev/null is not a directory"),
    (["serve", "--manifests", "/", "--log-level", "loud"], "--log-level"),
    (["serve", "--manifests", "/", "--drain-time", "-1"], "--drain-time"),
    (["serve", "--manifests", "/", "--drain-time", "nan"], "--drain-time"),
    (["serve", "--manifests", "/", "--shout"], "--shout"),
    (["check"], "<dir>"),
    (["check", "/does/not/exist"], "/does/not/exist does not exist"),
    (["bootstrap", "--node-id", "n"], "--xds"),
    (["bootstrap", "--xds", "127.0.0.1:1"], "--node-id"),
    (["bootstrap", "--xds", "127.0.0.1:0", "--node-id", "n"], "--xds"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", ""], "--node-id"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--label", "app"], "--label"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--label", "=v"], "--label"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--label", "a=1", "--label", "a=2"], "a is given twice"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--namespace", "A.b"], "--namespace"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--listen", "localhost:1"], "--listen"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--admin", "localhost:1"], "--admin"),
    (["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "n", "--protocol", "rest"], "--protocol"),
    (["proxies", "--admin", "https://127.0.0.1:1"], "speaks http, not https"),
    (["proxies", "--admin", "http://127.0.0.1:1/v1"], "without a path"),
    (["proxies", "--timeout", "0"], "--timeout"),
    (["dance"], "dance"),
  ])
  func wrongUsageNamesTheFlag(arguments: [String], mention: String) {
    #expect(complaint(arguments).contains(mention))
  }
}
