internal import Foundation
internal import Glibc

/// A directory of manifests that a test changes as people and programs do: by a rename over the old file, or in place.
public struct ManifestDirectory: Sendable {
  public let path: String

  /// An empty directory inside another.
  public init(named name: String = "manifests", in directory: TemporaryDirectory) throws {
    path = directory.path + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// A working copy of a directory, with its YAML files.
  public init(copying source: String, named name: String = "manifests", in directory: TemporaryDirectory) throws {
    try self.init(named: name, in: directory)
    for file in try FileManager.default.contentsOfDirectory(atPath: source).sorted() where Self.isManifest(file) {
      try FileManager.default.copyItem(atPath: "\(source)/\(file)", toPath: "\(path)/\(file)")
    }
  }

  private static func isManifest(_ file: String) -> Bool { file.hasSuffix(".yaml") || file.hasSuffix(".yml") }

  /// Replaces a file by a rename, the way that no reader ever sees half of it.
  public func write(_ file: String, _ documents: [any ManifestDocument]) throws {
    try write(file, text: documents.map(\.yaml).joined(separator: "---\n"))
  }

  /// Replaces a file by a rename, with any text.
  public func write(_ file: String, text: String) throws {
    let temporary = "\(path)/.\(file).new"
    try Data(text.utf8).write(to: URL(fileURLWithPath: temporary))
    guard rename(temporary, "\(path)/\(file)") == 0 else {
      throw HarnessError(.notFound, "cannot rename \(temporary): \(String(cString: strerror(errno)))")
    }
  }

  /// Truncates a file and writes it anew, as simple editors and `>` do: a reader may see it empty or in part.
  public func writeInPlace(_ file: String, _ documents: [any ManifestDocument]) throws {
    let text = documents.map(\.yaml).joined(separator: "---\n")
    let name = "\(path)/\(file)"
    let descriptor = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else {
      throw HarnessError(.notFound, "cannot write \(name): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else {
        throw HarnessError(.notFound, "cannot write \(name): \(String(cString: strerror(errno)))")
      }
      written += count
    }
  }

  public func remove(_ file: String) throws {
    try FileManager.default.removeItem(atPath: "\(path)/\(file)")
  }

  public func read(_ file: String) throws -> String {
    try String(contentsOfFile: "\(path)/\(file)", encoding: .utf8)
  }

  /// Rewrites a file's text by a rename.
  ///
  /// - Throws: ``HarnessError`` `notFound` if `edit` changes nothing: the edit then looks for what is not there.
  public func edit(_ file: String, _ edit: (inout String) -> Void) throws {
    let before = try read(file)
    var after = before
    edit(&after)
    guard after != before else { throw HarnessError(.notFound, "the edit of \(file) changed nothing") }
    try write(file, text: after)
  }

  /// The names of the manifests in it, sorted.
  public var files: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter(Self.isManifest).sorted()
  }
}
