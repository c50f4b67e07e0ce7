internal import Foundation

/// The token that writes need, in a file, which is read again for each write: a token that changes needs no restart.
public actor BearerToken {
  private let path: String
  private var token: [UInt8]

  /// - Throws: `AdminError` with code `badToken` if there is none in the file.
  public init(file path: String) throws {
    self.path = path
    token = try Self.read(path)
  }

  /// Takes as long for a wrong token as for the right one, whatever they have in common.
  ///
  /// While the file cannot be read, or is empty, as when it is being replaced, the token that it had counts.
  func matches(_ given: String) -> Bool {
    if let read = try? Self.read(path) { token = read }
    let given = Array(given.utf8)
    var difference = UInt8(given.count == token.count ? 0 : 1)
    for (index, byte) in given.enumerated() { difference |= byte ^ token[index % token.count] }
    return difference == 0
  }

  private static func read(_ path: String) throws -> [UInt8] {
    let text: String
    do {
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw AdminError(.badToken, "the token file \(path) cannot be read: \(error.localizedDescription)", cause: error)
    }
    let token = Array(text.trimmingCharacters(in: .whitespacesAndNewlines).utf8)
    guard token.count >= 16, token.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw AdminError(.badToken, "the token file \(path) needs one line of at least 16 printable characters of ASCII")
    }
    return token
  }
}
