import ArgumentParser
import Foundation
import WireFuzzing

/// The inputs of one worker.
struct WorkCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "work", shouldDisplay: false)

  @Option var target: String
  @Option var seed: UInt64
  @Option var count: Int

  func run() throws {
    guard let target = FuzzTarget.named(target) else { throw ValidationError("there is no target \(self.target)") }
    var run = FuzzRun(target, seed: seed, count: count)
    if let path = ProcessInfo.processInfo.environment[ProgressFile.variable] {
      let progress = try ProgressFile(path)
      run.willRun = { progress.seed = $0 }
    }
    do {
      try run.run()
    } catch let found as FuzzRun.Found {
      print("fuzz: \(found)")
      throw ExitCode(3)
    }
  }
}

/// Kept inputs, one after another.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "replay", abstract: "Runs kept inputs again.")

  @Argument(help: "Files named TARGET-WHATEVER.bin.") var files: [String]

  func run() throws {
    for file in files {
      do {
        try KeptInputs.replay(file)
      } catch {
        print("fuzz: \(file): \(error)")
        throw ExitCode(3)
      }
    }
    if LeakCheck.findsLeaks() {
      print("fuzz: memory leaked by one of \(files.count) kept inputs")
      throw ExitCode(3)
    }
  }
}

/// Writes the inputs of seeds to files.
struct KeepCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "keep", abstract: "Keeps the input of a seed.")

  @Option var target: String
  @Option var seed: UInt64
  @Option(help: "A folder.") var into = "fuzz/corpus"

  func run() throws {
    guard let target = FuzzTarget.named(target) else { throw ValidationError("there is no target \(self.target)") }
    let file = "\(into)/\(target.name)-\(seed).bin"
    try KeptInputs.keep(FuzzRun.input(of: target, seed: seed), as: file)
    print(file)
  }
}

/// What Weir makes of protobuf inputs, for comparing with another implementation: a line each, whether it is taken and the
/// input in hexadecimal digits.
struct AcceptanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "acceptance", abstract: "Prints protobuf inputs, and whether they are taken.")

  @Option var seed: UInt64
  @Option var count: Int

  func run() {
    for seed in seed..<seed &+ UInt64(count) {
      let input = FuzzRun.input(of: .protobuf, seed: seed)
      let digits = input.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
      print(FuzzTarget.accepts(protobufInput: input) ? "+" : "-", digits)
    }
  }
}
