import ArgumentParser

/// `weir completions`: what a shell needs to complete Weir's commands.
struct CompletionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "completions",
    abstract: "Print the script that completes commands, flags, and the names of releases in a shell.",
    discussion: """
        bash   source <(weir completions bash)                                     # in ~/.bashrc
        zsh    weir completions zsh > "${fpath[1]}/_weir"                          # a directory of $fpath, then a new shell
        fish   weir completions fish > ~/.config/fish/completions/weir.fish

      The names of releases are asked of the server that the command line names, or of the usual one.
      """)

  @Argument(
    help: "bash, zsh or fish.", completion: .list(CompletionShell.allCases.map(\.rawValue)), transform: FlagValue.shell)
  var shell: CompletionShell

  func run() throws {
    print(RootCommand.completionScript(for: shell))
  }
}

extension FlagValue {
  @Sendable static func shell(_ text: String) throws -> CompletionShell {
    guard let shell = CompletionShell(rawValue: text) else { throw ValidationError("a shell is bash, zsh or fish") }
    return shell
  }
}
