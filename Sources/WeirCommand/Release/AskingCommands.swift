import AdminServer
import ArgumentParser
import Foundation
import ReleaseControl
import Weir

struct StatusCommand: ReleaseAsking {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show a release: weights, steps, what it waits for, the routes that it divides.",
    discussion: "With --wait it waits until what the release serves is live, and exits with 3 if that is not in time.")

  @OptionGroup
  var name: ReleaseName

  @OptionGroup
  var live: LiveOptions

  @OptionGroup
  var server: ServerOptions

  func run(on console: ReleaseConsole) async throws {
    let status = try await console.backend.status(of: name.release)
    try await console.tell(status, ReleaseText.full(status, now: Date()), live)
  }
}

struct ListCommand: ReleaseAsking {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Show the releases that shape routes now.")

  @Flag(help: "Those too that have been aborted or retired.")
  var all = false

  @OptionGroup
  var server: ServerOptions

  func run(on console: ReleaseConsole) async throws {
    let releases = try await console.backend.list().filter { all || $0.state.isInForce }
    try console.print(ReleaseList(releases: releases), ReleaseText.table(releases, now: Date()))
  }
}

struct HistoryCommand: ReleaseAsking {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Show what was done to a release, or to all: who, what, why, from which weight to which.",
    discussion: "With --json every entry of the ledger is a line of JSON.")

  @Argument(
    help: "A release by its id or service. (default: the ledger of all)",
    completion: .custom { words, index, _ in await ReleaseName.candidates(for: words, at: index) })
  var release: String?

  @OptionGroup
  var server: ServerOptions

  func run(on console: ReleaseConsole) async throws {
    var lines: [LedgerLine] = []
    if let release {
      let status = try ReleaseName.find(release, in: try await console.backend.list())
      lines = try await console.backend.history(of: status.id)
      try write(lines, to: console)
    } else {
      // In portions, for a ledger may be long; the columns of a table must be known before its first line.
      var last: UInt64 = 0
      while true {
        let portion = try await console.backend.ledger(after: last, limit: 1000, of: nil)
        if console.json { try write(portion, to: console) } else { lines += portion }
        guard let next = portion.last?.sequence, next > last else { break }
        last = next
      }
      if !console.json { try write(lines, to: console) }
    }
  }

  private func write(_ lines: [LedgerLine], to console: ReleaseConsole) throws {
    if console.json {
      for line in lines { console.write(String(decoding: try ReleaseJSON.encode(line), as: UTF8.self) + "\n") }
    } else {
      console.write(HistoryText(lines).text)
    }
  }
}

struct VerifyCommand: ReleaseAsking {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check that the ledger is as it was written.",
    discussion: """
      Each entry carries a hash over itself and the hash of the one before. The exit code is 0 if all fit, and 1 if they do \
      not, or for an error.

      That a ledger was cut short at its end, or written anew, shows only against a mark that was kept elsewhere: note the \
      mark that this prints, and give it the next time with --mark.
      """)

  @Option(
    help: ArgumentHelp("What an earlier run has printed: whether that entry is still there.", valueName: "seq:hash"),
    transform: FlagValue.nonEmpty)
  var mark: String?

  @OptionGroup
  var server: ServerOptions

  func run(on console: ReleaseConsole) async throws {
    let verdict = try await console.backend.verify(against: mark)
    let entries = "\(verdict.entries) \(verdict.entries == 1 ? "entry" : "entries")"
    try console.print(
      verdict,
      verdict.finding.map { "broken: the ledger of \(entries): \(TextTable.printable($0))\n" }
        ?? "ok: the ledger of \(entries) is as it was written\n" + (verdict.mark.map { "mark \($0)\n" } ?? ""))
    if verdict.finding != nil { throw ExitCode(1) }
  }
}
