import ArgumentParser

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

  @OptionGroup
  var server: ServerOptions

  func run() async throws {
    let list = try await server.ask { try await $0.changes() }
    try server.print(list, try Explanation(list, of: name).text)
  }
}
