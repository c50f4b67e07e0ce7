internal import Foundation

/// Inputs in files named `TARGET-WHATEVER.bin`: those that once failed, and some that reach far.
public enum KeptInputs {
  /// The files of a folder, by name; none if there is no such folder.
  public static func files(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".bin") }.sorted().map { folder + "/" + $0 }
  }

  /// Runs a kept input again, within the same time.
  public static func replay(_ file: String) throws {
    let name = file.split(separator: "/").last ?? ""
    guard let target = FuzzTarget.named(String(name.prefix { $0 != "-" })) else {
      throw FuzzFailure("\(file): the name does not begin with a target's")
    }
    guard let data = FileManager.default.contents(atPath: file) else { throw FuzzFailure("\(file) cannot be read") }
    try InputBudget.standard.spend(on: Array(data), target.run)
  }

  public static func keep(_ input: [UInt8], as file: String) throws {
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(input).write(to: URL(fileURLWithPath: file))
  }
}
