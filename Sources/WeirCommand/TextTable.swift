/// A table for the terminal: columns under their names, each as wide as its widest cell, with notes between the lines.
struct TextTable {
  enum Line {
    case cells([String])
    case note(String)
  }

  var header: [String]
  /// With as many cells as the header has.
  var lines: [Line]

  var text: String {
    let all = [.cells(header)] + lines
    var widths = header.map(\.columns)
    for case .cells(let cells) in all {
      for (column, cell) in cells.enumerated() { widths[column] = max(widths[column], cell.columns) }
    }
    return all.map { line in
      switch line {
      case .cells(let cells):
        let padded = zip(cells, widths).map { $0.padded(to: $1) }
        let text = padded.joined(separator: "  ")
        return String(text.reversed().drop { $0 == " " }.reversed()) + "\n"
      case .note(let note): return "  " + Self.printable(note) + "\n"
      }
    }.joined()
  }

  /// Others choose names and words: nothing of them may steer the terminal.
  static func printable(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.map { scalar in
          switch scalar.properties.generalCategory {
          case .control, .format, .lineSeparator, .paragraphSeparator: " "
          default: scalar
          }
        }))
  }
}
