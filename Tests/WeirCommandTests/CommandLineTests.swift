import EnvoyBootstrap
import Foundation
import Logging
import Testing
import Weir

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
      try command.options(descriptors: 1_000_000, stateOfUser: "/home/user/state")
        == ServeOptions(
          manifests: [folder], listen: ListenAddresses(plain: HostPort(host: "127.0.0.1", port: 15010)),
          admin: HostPort(host: "127.0.0.1", port: 15014), state: nil, releaseState: "/home/user/state",
          logLevel: .info, drainTime: .seconds(10)))
    #expect(throws: CommandFailure.self) { try command.options(descriptors: 1_000_000, stateOfUser: nil) }
  }

  @Test func serveMayKeepNothing() throws {
    let command = try parse(ServeCommand.self, ["serve", "--manifests", folder, "--no-state"])
    let options = try command.options(descriptors: 1_000_000, stateOfUser: "/home/user/state")
    #expect(options.state == nil && options.releaseState == nil)
    #expect(complaint(["serve", "--manifests", folder, "--no-state", "--state", "/new"]).contains("--no-state"))
  }

  @Test func serveTakesEveryFlag() throws {
    let command = try parse(
      ServeCommand.self,
      [
        "serve", "--manifests", folder, "/", "--xds", "[::]:0", "--admin", "localhost:1", "--state", "/new/state",
        "--xds-tls", "0.0.0.0:1", "--cert", "c", "--key", "k", "--client-ca", "a", "--xds-unix", "/s",
        "--xds-unix-mode",
        "0660", "--log-level", "debug", "--drain-time", "0.5", "--manifests", "/tmp",
      ])
    #expect(
      try command.options(descriptors: 1_000_000)
        == ServeOptions(
          manifests: [folder, "/", "/tmp"],
          listen: ListenAddresses(
            plain: HostPort(host: "::", port: 0),
            tls: .init(address: HostPort(host: "0.0.0.0", port: 1), certificate: "c", key: "k", clientCA: "a"),
            unix: .init(path: "/s", mode: 0o660)),
          admin: HostPort(host: "localhost", port: 1),
          state: "/new/state", releaseState: "/new/state", logLevel: .debug, drainTime: .milliseconds(500)))
  }

  @Test func serveSaysHowLongProxiesThatHaveLeftCount() throws {
    func options(_ arguments: [String]) throws -> ServeOptions {
      try parse(ServeCommand.self, ["serve", "--manifests", folder] + arguments).options(descriptors: 1_000_000)
    }
    #expect(try options([]).departureTime == .seconds(300))
    #expect(try options(["--departure-time", "90s"]).departureTime == .seconds(90))
    #expect(complaint(["serve", "--manifests", folder, "--departure-time", "0s"]).contains("--departure-time"))
    #expect(complaint(["forget-proxy"]).contains("node"))
  }

  @Test func serveSaysWhatComesInPortions() throws {
    func options(_ arguments: [String]) throws -> ServeOptions {
      try parse(ServeCommand.self, ["serve", "--manifests", folder] + arguments).options(descriptors: 1_000_000)
    }
    #expect(try options([]).loneEndpointsFrom == 0 && options([]).fetchesClusters == false)
    #expect(try options(["--leds-threshold", "1000"]).loneEndpointsFrom == 1000)
    #expect(try options(["--leds-threshold", "0"]).loneEndpointsFrom == 0)
    #expect(complaint(["serve", "--manifests", folder, "--leds-threshold", "-1"]).contains("--leds-threshold"))
    #expect(try options(["--on-demand"]).fetchesClusters)
    let bootstrap = ["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "a"]
    #expect(try parse(BootstrapCommand.self, bootstrap + ["--on-demand"]).bootstrap.onDemand == true)
    #expect(try parse(BootstrapCommand.self, bootstrap).bootstrap.onDemand == nil)
    #expect(
      complaint(bootstrap + ["--on-demand", "--protocol", "sotw"]).contains("--on-demand is for --protocol delta"))
  }

  @Test func serveSaysWhoGetsVirtualHostsOneByOne() throws {
    func virtualHosts(_ arguments: [String]) throws -> ControlPlaneConfiguration.VirtualHosts {
      try parse(ServeCommand.self, ["serve", "--manifests", folder] + arguments).options(descriptors: 1_000_000)
        .virtualHosts
    }
    #expect(try virtualHosts([]) == .automatic(threshold: 200))
    #expect(try virtualHosts(["--vhds", "auto", "--vhds-threshold", "7"]) == .automatic(threshold: 7))
    #expect(try virtualHosts(["--vhds", "on"]) == .always)
    #expect(try virtualHosts(["--vhds", "off"]) == .never)
    #expect(
      complaint(["serve", "--manifests", folder, "--vhds", "on", "--vhds-threshold", "7"])
        .contains("--vhds-threshold is for --vhds auto"))
    #expect(complaint(["serve", "--manifests", folder, "--vhds", "maybe"]).contains("maybe"))
  }

  /// Plain TCP is there if it is asked for, or if nothing else is.
  @Test func serveListensOnlyWhereItIsTold() throws {
    func listen(_ arguments: [String]) throws -> ListenAddresses {
      try parse(ServeCommand.self, ["serve", "--manifests", folder] + arguments).options(descriptors: 1_000_000).listen
    }
    let tls = ListenAddresses.TLS(
      address: HostPort(host: "127.0.0.1", port: 2), certificate: "c", key: "k", clientCA: nil)
    let tlsFlags = ["--xds-tls", "127.0.0.1:2", "--cert", "c", "--key", "k"]
    let unix = ListenAddresses.Unix(path: "/s", mode: 0o600)
    let plain = HostPort(host: "127.0.0.1", port: 1)
    #expect(try listen(tlsFlags) == ListenAddresses(tls: tls))
    #expect(try listen(["--xds-unix", "/s"]) == ListenAddresses(unix: unix))
    #expect(try listen(tlsFlags + ["--xds-unix", "/s"]) == ListenAddresses(tls: tls, unix: unix))
    #expect(try listen(["--xds", "127.0.0.1:1", "--xds-unix", "/s"]) == ListenAddresses(plain: plain, unix: unix))
  }

  @Test func bootstrapTakesEveryWay() throws {
    func address(_ arguments: [String]) throws -> ControlPlaneAddress {
      try parse(BootstrapCommand.self, ["bootstrap", "--node-id", "n"] + arguments).bootstrap.xds
    }
    #expect(try address(["--xds-unix", "/s"]) == .unix(path: "/s"))
    let host = HostPort(host: "weir", port: 2)
    #expect(try address(["--xds-tls", "weir:2", "--ca", "a"]) == .tls(host, UpstreamTLS(ca: "a")))
    #expect(
      try address(["--xds-tls", "weir:2", "--ca", "a", "--cert", "c", "--key", "k", "--server-name", "x.y"])
        == .tls(host, UpstreamTLS(ca: "a", client: .init(certificate: "c", key: "k"), serverName: "x.y")))
  }

  @Test func readyLineNamesWhatIsServed() throws {
    #expect(
      try ServedAddresses(xdsTLS: "[::1]:2", xdsUnix: "/a \"b\"", admin: "127.0.0.1:3").readyLine()
        == #"{"ready":true,"xds_tls":"[::1]:2","xds_unix":"/a \"b\"","admin":"127.0.0.1:3"}"#)
  }

  @Test func bootstrapTakesEveryFlag() throws {
    let least = try parse(BootstrapCommand.self, ["bootstrap", "--xds", "10.0.0.1:15010", "--node-id", "n"])
    #expect(least.bootstrap == SidecarBootstrap(nodeID: "n", xds: .plain(HostPort(host: "10.0.0.1", port: 15010))))
    let most = try parse(
      BootstrapCommand.self,
      [
        "bootstrap", "--xds", "weir:15010", "--node-id", "n", "--namespace", "shop", "--label", "app=a=b", "--label",
        "empty=", "--listen", "[::1]:0", "--admin", "0.0.0.0:0", "--protocol", "sotw",
      ])
    #expect(
      most.bootstrap
        == SidecarBootstrap(
          nodeID: "n", namespace: "shop", labels: ["app": "a=b", "empty": ""],
          xds: .plain(HostPort(host: "weir", port: 15010)),
          listen: HostPort(host: "::1", port: 0), admin: HostPort(host: "0.0.0.0", port: 0), discoveryProtocol: .sotw))
  }

  @Test(arguments: [
    ("http://127.0.0.1:15014", HostPort(host: "127.0.0.1", port: 15014)),
    ("HTTP://[::1]:5/", HostPort(host: "::1", port: 5)), ("weir.infra:80", HostPort(host: "weir.infra", port: 80)),
  ])
  func proxiesTakesAURL(url: String, expected: HostPort) throws {
    #expect(try parse(ProxiesCommand.self, ["proxies", "--admin", url]).server.server == expected)
    #expect(try parse(WhyCommand.self, ["why", "--server", url]).server.server == expected)
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
    (["serve", "--manifests", "/", "--xds-tls", "127.0.0.1:1"], "--xds-tls: --cert is missing"),
    (["serve", "--manifests", "/", "--xds-tls", "127.0.0.1:1", "--cert", "c"], "--xds-tls: --key is missing"),
    (["serve", "--manifests", "/", "--cert", "c"], "--cert is for --xds-tls, which is missing"),
    (["serve", "--manifests", "/", "--client-ca", "c"], "--client-ca is for --xds-tls"),
    (["serve", "--manifests", "/", "--xds-unix-mode", "0660"], "--xds-unix-mode is for --xds-unix"),
    (["serve", "--manifests", "/", "--xds-unix", "/s", "--xds-unix-mode", "0999"], "octal"),
    (["serve", "--manifests", "/", "--xds-unix", "/s", "--xds-unix-mode", "1777"], "octal"),
    (["serve", "--manifests", "/", "--xds-unix", String(repeating: "x", count: 108)], "at most 107 bytes"),
    (["bootstrap", "--node-id", "n", "--xds", "a:1", "--xds-unix", "/s"], "exclude each other"),
    (["bootstrap", "--node-id", "n", "--xds-tls", "a:1"], "--ca is missing"),
    (["bootstrap", "--node-id", "n", "--xds-tls", "a:1", "--ca", "c", "--key", "k"], "--key: --cert is missing"),
    (["bootstrap", "--node-id", "n", "--xds-tls", "a:1", "--ca", "c", "--cert", "k"], "--cert: --key is missing"),
    (["bootstrap", "--node-id", "n", "--xds", "a:1", "--server-name", "b"], "--server-name is for --xds-tls"),
    (["bootstrap", "--node-id", "n", "--xds-tls", "a:1", "--ca", "c", "--server-name", "a b"], "--server-name"),
    (["proxies", "--admin", "https://127.0.0.1:1"], "speaks http, not https"),
    (["proxies", "--admin", "http://127.0.0.1:1/v1"], "without a path"),
    (["proxies", "--timeout", "0"], "--timeout"),
    (["dance"], "dance"),
  ])
  func wrongUsageNamesTheFlag(arguments: [String], mention: String) {
    #expect(complaint(arguments).contains(mention))
  }
}
