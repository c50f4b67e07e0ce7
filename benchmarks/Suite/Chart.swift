import Foundation

/// Series of values over the same labels, on a logarithmic axis: as bars in groups, or as lines.
struct Chart {
  enum Style { case bars, lines }

  struct Series {
    var name: String
    /// One for each label; nil where nothing was measured.
    var values: [Double?]
    /// Drawn lighter: what the others are held against.
    var isReference = false
  }

  var title: String
  /// The names of the measurements that its figures are of.
  var measurements: [String]
  var unit: String
  var labels: [String]
  var series: [Series]
  var style = Style.bars
  /// A limit, as a dashed line.
  var bar: Double?

  private static let colours = ["#1f6feb", "#d9822b", "#2e8540", "#8250df", "#c1272d", "#57606a"]
  private static let reference = "#b6bec9"
  private let left = 64.0
  private let right = 16.0
  private let top = 56.0
  private let bottom = 36.0
  private let width = 720.0
  private let height = 340.0

  /// nil if there is nothing to draw.
  var svg: String? {
    let values = series.flatMap(\.values).compactMap { $0 }.filter { $0 > 0 }
    guard let least = values.min(), let most = (values + [bar].compactMap { $0 }).max() else { return nil }
    let low = Foundation.pow(10, Foundation.log10(least).rounded(.down))
    let high = max(Foundation.pow(10, Foundation.log10(most).rounded(.up)), low * 10)
    func y(_ value: Double) -> Double {
      let part = Foundation.log10(max(value, low) / low) / Foundation.log10(high / low)
      return height - bottom - part * (height - top - bottom)
    }
    var picture = SVG(width: width, height: height)
    picture.text(title, left, 20, size: 14, bold: true)
    drawKey(&picture)
    var step = low
    while step <= high * 1.001 {
      picture.line([(left, y(step)), (width - right, y(step))], stroke: "#e4e7eb")
      picture.text("\(Text.number(step)) \(unit)", left - 6, y(step) + 4, anchor: .end, size: 10)
      step *= 10
    }
    let slot = (width - left - right) / Double(labels.count)
    for (index, label) in labels.enumerated() {
      picture.text(label, left + (Double(index) + 0.5) * slot, height - bottom + 16, anchor: .middle, size: 10)
    }
    switch style {
    case .bars: drawBars(&picture, slot: slot, y: y)
    case .lines: drawLines(&picture, slot: slot, y: y)
    }
    if let bar {
      picture.line([(left, y(bar)), (width - right, y(bar))], stroke: "#c1272d", width: 1.5, dashes: "6 4")
      picture.text("bar: \(Text.number(bar)) \(unit)", width - right, y(bar) - 4, anchor: .end, size: 10)
    }
    return picture.document
  }

  private func colour(_ index: Int) -> String {
    series[index].isReference ? Self.reference : Self.colours[index % Self.colours.count]
  }

  private func drawKey(_ picture: inout SVG) {
    var x = left
    for index in series.indices {
      picture.rectangle(x, 32, 10, 10, fill: colour(index))
      picture.text(series[index].name, x + 14, 41, size: 11)
      x += 30 + 6.2 * Double(series[index].name.count)
    }
  }

  private func drawBars(_ picture: inout SVG, slot: Double, y: (Double) -> Double) {
    let each = slot * 0.84 / Double(series.count)
    for (index, one) in series.enumerated() {
      for (position, value) in one.values.enumerated() {
        guard let value, value > 0 else { continue }
        let x = left + Double(position) * slot + slot * 0.08 + Double(index) * each
        let top = y(value)
        picture.rectangle(x, top, each - 2, max(1, height - bottom - top), fill: colour(index))
        picture.text(Text.number(value), x + each / 2 - 1, top - 3, anchor: .middle, size: 9)
      }
    }
  }

  private func drawLines(_ picture: inout SVG, slot: Double, y: (Double) -> Double) {
    for (index, one) in series.enumerated() {
      let points = one.values.enumerated().compactMap { position, value -> (x: Double, y: Double)? in
        guard let value, value > 0 else { return nil }
        return (left + (Double(position) + 0.5) * slot, y(value))
      }
      picture.line(points, stroke: colour(index), width: 2)
      for point in points { picture.rectangle(point.x - 3, point.y - 3, 6, 6, fill: colour(index)) }
      if let last = points.last, let value = one.values.last ?? nil {
        picture.text(Text.number(value), last.x + 8, last.y + 4, size: 10)
      }
    }
  }
}
