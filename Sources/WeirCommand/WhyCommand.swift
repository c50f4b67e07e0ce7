import AdminServer
import ArgumentParser
import EnvoyBootstrap
import Foundation

/// `weir why`: what made a resource what it is now.
struct WhyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why",
    abstract: "Show why a resource changed: from the resource down to the edit of an object and its file.",
    discussion: """
      Without a name, the last change that reached the wire. `weir serve --changes` says how many changes it keeps; what \
      changed before them is not known any longer.
      """)

  @Argument(help: "A resource or virtual host, or a part of its name, as in reviews.shop.")
  var name: String?

  @Option(
    help: ArgumentHelp("The admin server of `weir serve`. (default: http://127.0.0.1:15014)", valueName: "url"),
    transform: FlagValue.adminURL)
  var admin = HostPort(host: "127.0.0.1", port: 15014)

  @Option(
    help: ArgumentHelp("How long to wait for the answer, in seconds. (default: 5)", valueName: "seconds"),
    transform: FlagValue.positiveSeconds)
  var timeout: Duration = .seconds(5)

  @Flag(help: "Print JSON, as GET /v1/changes gives it.")
  var json = false

  func run() async throws {
    let list: ChangeList
    do {
      list = try await AdminClient(host: admin.host, port: admin.port, timeout: timeout).changes()
    } catch let error as AdminError where error.code == .unreachable {
      throw CommandFailure("\(error.message); is `weir serve` running, and is this its --admin address?")
    }
    if json {
      FileHandle.standardOutput.write(Data(try AdminJSON.encode(list, pretty: true)))
    } else {
      print(try Explanation(list, of: name).text, terminator: "")
    }
  }
}
