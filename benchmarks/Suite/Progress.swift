import Foundation

/// What a run says of itself while it goes on: on standard error, so that standard output has the table alone.
enum Progress {
  static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
