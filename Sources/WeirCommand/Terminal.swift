import Foundation
import Glibc

/// The terminal that is the standard output, while a picture is drawn on it.
///
/// The picture has the terminal's other screen to itself, so that whatever stood there before is there again afterwards, and
/// a window that changes its size leaves nothing behind. (xterm's control sequences, which all terminals of today know.)
struct Terminal: Sendable {
  struct Size: Sendable, Hashable {
    var columns: Int
    var rows: Int
  }

  /// Takes the bytes; each call is one write.
  var write: @Sendable (String) throws -> Void

  /// Nil if the standard output is no terminal, or one that cannot move its cursor.
  static func standardOutput() -> Terminal? {
    guard isatty(STDOUT_FILENO) == 1, ProcessInfo.processInfo.environment["TERM"] != "dumb" else { return nil }
    return Terminal { try FileHandle.standardOutput.write(contentsOf: Data($0.utf8)) }
  }

  static func size() -> Size {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return Size(columns: 80, rows: 24)
    }
    return Size(columns: Int(size.ws_col), rows: Int(size.ws_row))
  }

  func enter() throws { try write("\u{1b}[?1049h\u{1b}[?25l") }

  /// Draws lines over what stands there. One write, so that nothing flickers.
  func draw(_ lines: [String]) throws {
    // The rest of each line is cleared, and what was below.
    try write("\u{1b}[H" + lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n") + "\u{1b}[J")
  }

  /// Brings back what was there, and the cursor.
  func leave() throws { try write("\u{1b}[?25h\u{1b}[?1049l") }
}
