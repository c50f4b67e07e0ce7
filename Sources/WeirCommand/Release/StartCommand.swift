import AdminServer
import ArgumentParser
import Foundation
import ReleaseControl
import Weir

/// `weir release start`.
struct StartCommand: ReleaseAsking {
  static let configuration = CommandConfiguration(
    commandName: "start", abstract: "Start a release, at its first step.",
    discussion: """
      By flags:

        weir release start --canary reviews.shop --from v1 --to v2 --steps 5,25,50,100 --pause 30s
        weir release start --blue-green reviews.shop --from v1 --to v2 --preview-header x-preview --warm 10m
        weir release start --rules reviews.shop --from v1 --to v2 --rule 'header:x-user=jason'
        weir release start --mirror-first reviews.shop --from v1 --to v2 --mirror 10 --mirror-pause 5m --steps 50,100

      or from JSON, as --dry-run prints it and POST /v1/releases takes it:

        {"service": "reviews.shop", "from": "v1", "to": "v2", "steps": [5, {"weight": 25, "pause": 60}, 100]}

      \(ReleaseCommand.exitCodes)
      """)

  @OptionGroup(title: "What, and how")
  var spec: SpecOptions

  @Option(
    help: ArgumentHelp("Reads the release from a file of JSON; - is the standard input.", valueName: "path"),
    completion: .file(extensions: ["json"]), transform: FlagValue.nonEmpty)
  var file: String?

  @Flag(help: "Print the release as JSON, and start nothing.")
  var dryRun = false

  @OptionGroup
  var request: RequestOptions

  @OptionGroup
  var live: LiveOptions

  @OptionGroup
  var server: ServerOptions

  func validate() throws {
    if file != nil {
      if let flag = spec.given { throw ValidationError("\(flag) and --file exclude each other") }
    } else {
      _ = try spec.spec()
    }
  }

  func run(on console: ReleaseConsole) async throws {
    var request = request.request()
    let spec: ReleaseSpec
    if let file {
      let release = try Self.read(file)
      spec = release.spec
      // Flags come first.
      if self.request.actor == nil, let actor = release.actor { request.actor = actor }
      if self.request.reason.isEmpty, let reason = release.reason { request.reason = reason }
    } else {
      spec = try self.spec.spec()
    }
    if dryRun {
      return console.write(String(decoding: try ReleaseJSON.encode(spec, pretty: true), as: UTF8.self) + "\n")
    }
    let status = try await console.backend.start(spec, request)
    try await console.tell(status, ReleaseText.line(status) + "\n", live)
  }

  /// - Throws: `CommandFailure` naming the file and the field.
  private static func read(_ path: String) throws -> ReleaseFile {
    let name = path == "-" ? "standard input" : path
    do {
      return try ReleaseFile(
        path == "-"
          ? try FileHandle.standardInput.readToEnd() ?? Data() : try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch let error as AdminError {
      throw CommandFailure("\(name): \(error.message)")
    } catch let error as ReleaseError {
      throw CommandFailure("\(name): \(error.message)")
    } catch {
      throw CommandFailure("\(name) cannot be read: \(error.localizedDescription)")
    }
  }
}
