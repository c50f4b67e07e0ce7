import ArgumentParser

/// Fuzzes what takes bytes from outside: HTTP/2, gRPC, protobuf and xDS.
@main
struct WeirFuzz: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "WeirFuzz",
    abstract: "Feeds Weir's server with hostile bytes.",
    subcommands: [
      RunCommand.self, WorkCommand.self, ReplayCommand.self, KeepCommand.self, AcceptanceCommand.self,
      CyclesCommand.self, ServedCyclesCommand.self,
    ],
    defaultSubcommand: RunCommand.self)
}
