import ArgumentParser
import Testing

@testable import WeirCommand

@Suite struct CompletionTests {
  @Test(arguments: ["bash", "zsh", "fish"])
  func everyShellHasAScript(shell: String) throws {
    let command = try #require(try RootCommand.parseAsRoot(["completions", shell]) as? CompletionsCommand)
    let script = RootCommand.completionScript(for: command.shell)
    for word in ["set-weight", "blue-green", "---completion"] { #expect(script.contains(word), "\(word)") }
  }

  @Test func anotherShellIsNamed() {
    #expect {
      try RootCommand.parseAsRoot(["completions", "tcsh"])
    } throws: {
      RootCommand.message(for: $0).contains("bash, zsh or fish")
    }
  }
}
