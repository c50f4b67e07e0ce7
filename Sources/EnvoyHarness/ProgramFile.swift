internal import Foundation
internal import Glibc

/// Where the programs under test are.
public enum ProgramFile {
  /// The first of: what the environment variable names, the candidates.
  ///
  /// - Throws: ``HarnessError`` `notFound` with the advice, or naming the variable if it names no executable.
  static func find(environment variable: String, candidates: [String], advice: String) throws -> String {
    if let named = ProcessInfo.processInfo.environment[variable] {
      guard access(named, X_OK) == 0 else {
        throw HarnessError(.notFound, "\(variable) names \(named), which is no executable")
      }
      return named
    }
    guard let found = candidates.first(where: { access($0, X_OK) == 0 }) else {
      throw HarnessError(.notFound, "\(advice) (or set \(variable))")
    }
    return found
  }

  /// The directory of the running program; a test bundle and the executables lie side by side there.
  public static var ownDirectory: String {
    let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    // `swift test` runs a helper of the toolchain that loads the bundle, whose path is then an argument.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
    return ((bundle ?? executable) as NSString).deletingLastPathComponent
  }

  /// The working directory and everything above it, then the same of the running program's directory.
  static var ancestors: [String] {
    [FileManager.default.currentDirectoryPath, ownDirectory].flatMap { start -> [String] in
      var directory = URL(fileURLWithPath: start).standardizedFileURL.path
      var directories = [directory]
      while directory != "/" {
        directory = (directory as NSString).deletingLastPathComponent
        directories.append(directory)
      }
      return directories
    }
  }

  /// The package's folder: the nearest above that holds a `Package.swift`.
  ///
  /// - Throws: ``HarnessError`` `notFound` if the program runs far from its package.
  public static func packageRoot() throws -> String {
    guard let root = ancestors.first(where: { access($0 + "/Package.swift", F_OK) == 0 }) else {
      throw HarnessError(.notFound, "no Package.swift above \(ownDirectory); run this from the package's folder")
    }
    return root
  }
}
