import Foundation
import Testing
import Weir

@testable import WeirCommand

@Suite struct LimitOptionsTests {
  private func limits(_ arguments: String..., descriptors: Int = 1_000_000) throws -> Limits {
    let command = try RootCommand.parseAsRoot(["serve", "--manifests", "/"] + arguments)
    return try #require(command as? ServeCommand).options(descriptors: descriptors).limits
  }

  @Test func withoutFlagsTheDefaultsHold() throws {
    #expect(try limits() == Limits())
  }

  @Test func everyFlagIsTaken() throws {
    #expect(
      try limits(
        "--max-connections", "10", "--max-streams", "11", "--max-requests-per-second", "12", "--max-subscription", "13",
        "--max-proxy-classes", "21",
        "--max-message-size", "14KiB", "--max-header-size", "15360", "--idle-time", "16m", "--handshake-time", "1700ms",
        "--max-stream-buffer", "18MiB", "--max-buffer-memory", "19GiB", "--max-client-memory", "20KiB")
        == Limits(
          connections: 10, streamsPerConnection: 11, requestsPerSecond: 12, subscription: 13, proxyClasses: 21,
          messageSize: 14 << 10,
          headerSize: 15 << 10, idleTime: .seconds(960), handshakeTime: .milliseconds(1700), streamBuffer: 18 << 20,
          bufferMemory: 19 << 30, clientMemory: 20 << 10))
    #expect(try limits("--max-buffer-memory", "1GiB").clientMemory == 256 << 20)
  }

  @Test func connectionsFollowTheDescriptorsUnlessTheyAreGiven() throws {
    #expect(try limits(descriptors: 1024).connections == 768)
    #expect(try limits(descriptors: 64).connections == 32)
    #expect(try limits(descriptors: 1 << 20).connections == 20_000)
    #expect(try limits("--max-connections", "5000", descriptors: 1024).connections == 5000)
  }

  @Test(arguments: [
    (["--max-connections", "0"], "a whole number from 1"),
    (["--max-streams", "-1"], "--max-streams"),
    (["--max-requests-per-second", "1.5"], "a whole number from 1"),
    (["--max-subscription", "many"], "--max-subscription"),
    (["--max-proxy-classes", "0"], "a whole number from 1"),
    (["--max-message-size", "16MB"], "such as 16MiB"),
    (["--max-message-size", "100"], "it is from 1KiB to 1GiB"),
    (["--max-header-size", "2MiB"], "it is from 1KiB to 1MiB"),
    (["--max-header-size", "99999999999999999999"], "--max-header-size"),
    (["--idle-time", "0"], "above 0 and at most 24h"),
    (["--idle-time", "25h"], "above 0 and at most 24h"),
    (["--handshake-time", "soon"], "such as 30s"),
    (["--handshake-time", "+5s"], "such as 30s"),
    (["--max-stream-buffer", ""], "--max-stream-buffer"),
    (["--max-buffer-memory", "9223372036854775807KiB"], "--max-buffer-memory"),
    (["--max-client-memory", "1"], "it is from 1KiB to 1TiB"),
    (["--max-buffer-memory", "16MiB"], "room for two requests"),
  ])
  func wrongValuesNameTheFlag(arguments: [String], mention: String) {
    let error = #expect(throws: (any Error).self) {
      _ = try RootCommand.parseAsRoot(["serve", "--manifests", "/"] + arguments)
    }
    let message = error.map { RootCommand.message(for: $0) } ?? ""
    #expect(message.contains(mention) && message.contains(arguments[0]), "\(message)")
  }

  @Test func theHelpNamesEveryLimit() {
    let help = ServeCommand.helpMessage(columns: 120)
    for flag in [
      "--max-connections", "--max-streams", "--max-requests-per-second", "--max-subscription", "--max-proxy-classes",
      "--max-message-size",
      "--max-header-size", "--idle-time", "--handshake-time", "--max-stream-buffer", "--max-buffer-memory",
      "--max-client-memory",
    ] {
      #expect(help.contains("  \(flag) <"), "\(flag)")
    }
  }
}
