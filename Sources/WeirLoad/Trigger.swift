import Foundation

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// What makes the server change something. In every text `{n}` stands for the number of the change, from 1, `{octet}` for
/// 1 + n mod 250, which fits into an address, and `{percent}` and `{rest}` for two weights of 100 in all.
enum Trigger: Sendable {
  /// An HTTP request with a body; anything but a 2xx answer fails.
  case url(String, method: String, body: String?)
  /// A file that gets the text of a template, by rename, so that a watcher never sees half of it.
  case file(path: String, template: String)
  /// A command of `/bin/sh`; anything but exit status 0 fails.
  case command(String)

  static func fill(_ template: String, _ number: Int) -> String {
    template.replacingOccurrences(of: "{n}", with: "\(number)")
      .replacingOccurrences(of: "{octet}", with: "\(1 + number % 250)")
      .replacingOccurrences(of: "{percent}", with: "\(1 + number % 99)")
      .replacingOccurrences(of: "{rest}", with: "\(99 - number % 99)")
  }

  func fire(_ number: Int) async throws {
    switch self {
    case .url(let url, let method, let body):
      guard let filled = URL(string: Self.fill(url, number)) else {
        throw LoadFailure(description: "trigger: \(Self.fill(url, number)) is no URL")
      }
      var request = URLRequest(url: filled)
      request.httpMethod = method
      request.httpBody = body.map { Data(Self.fill($0, number).utf8) }
      let (_, response) = try await URLSession.shared.data(for: request)
      let status = (response as? HTTPURLResponse)?.statusCode ?? 0
      guard (200..<300).contains(status) else {
        throw LoadFailure(description: "trigger: \(filled) answered \(status)")
      }
    case .file(let path, let template):
      try Self.replace(path, with: Self.fill(template, number))
    case .command(let command):
      let status = try await Self.run(Self.fill(command, number))
      guard status == 0 else { throw LoadFailure(description: "trigger: the command ended with status \(status)") }
    }
  }

  /// By rename, when the new file is closed. (Foundation's atomic writing closes it afterwards: who watches sees two changes.)
  private static func replace(_ path: String, with text: String) throws {
    let target = URL(fileURLWithPath: path)
    let new = target.deletingLastPathComponent().appendingPathComponent(".\(target.lastPathComponent).new")
    try Data(text.utf8).write(to: new)
    guard rename(new.path, target.path) == 0 else {
      let reason = String(cString: strerror(errno))
      try? FileManager.default.removeItem(at: new)
      throw LoadFailure(description: "trigger: \(path) cannot be replaced: \(reason)")
    }
  }

  private static func run(_ command: String) async throws -> Int32 {
    try await withCheckedThrowingContinuation { continuation in
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/bin/sh")
      process.arguments = ["-c", command]
      process.standardOutput = FileHandle.standardError
      process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
      do {
        try process.run()
      } catch {
        process.terminationHandler = nil
        continuation.resume(throwing: error)
      }
    }
  }
}

/// What ends a run before its time, for whoever started it.
struct LoadFailure: Error, CustomStringConvertible {
  var description: String
}
