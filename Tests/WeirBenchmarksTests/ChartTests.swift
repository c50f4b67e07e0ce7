import Foundation
import Testing

@testable import WeirBenchmarks

@Suite
struct ChartTests {
  private func chart(_ values: [Double?], bar: Double? = nil) -> Chart {
    Chart(
      title: "a < b & c", measurements: ["compile"], unit: "ms", labels: values.indices.map { "\($0)" },
      series: [.init(name: "one", values: values)], bar: bar)
  }

  @Test("Nothing measured draws nothing")
  func empty() { #expect(chart([nil, nil]).svg == nil) }

  @Test("A rectangle for each value that is there, higher for more; words are escaped")
  func bars() throws {
    let svg = try #require(chart([1, nil, 100], bar: 50).svg)
    #expect(svg.contains("a &lt; b &amp; c"))
    #expect(svg.contains("bar: 50 ms"))
    // The background, the key's and one each.
    let heights = svg.matches(of: /<rect x="[0-9.]+" y="[0-9.]+" width="[0-9.]+" height="([0-9.]+)"/)
      .compactMap { Double($0.1) }
    #expect(heights.count == 3)
    #expect(heights[2] > heights[1])
  }
}
