import ArgumentParser

/// `weir release`: everything about releases.
struct ReleaseCommand: AsyncParsableCommand {
  static let exitCodes = """
    The exit code is 0 if it is done (with --wait: and live), 1 for an error, 2 if it is refused and nothing has changed, and \
    3 if it is done and not live in time.
    """

  static let configuration = CommandConfiguration(
    commandName: "release",
    abstract: "Move a service from one version to another, and back.",
    discussion: """
      A release is named by its id, as in reviews.shop-3, or by its service, as in reviews.shop: that is the one in force, \
      or else the last one.

      \(exitCodes)
      """,
    subcommands: [
      StartCommand.self, SetWeightCommand.self, PlainActionCommand<Promote>.self, PlainActionCommand<Pause>.self,
      PlainActionCommand<Resume>.self,
      PlainActionCommand<Approve>.self, PlainActionCommand<Rollback>.self, PlainActionCommand<Abort>.self,
      PlainActionCommand<Retire>.self, StatusCommand.self,
      ListCommand.self, HistoryCommand.self, VerifyCommand.self, WatchCommand.self,
    ])
}
