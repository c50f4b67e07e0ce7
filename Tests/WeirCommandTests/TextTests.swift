import Testing

@testable import WeirCommand

@Suite struct TextTests {
  @Test(arguments: [
    ("", 0), ("abc", 3), ("版本", 4), ("é", 1), ("e\u{301}", 1), ("한글", 4), ("ｶﾅ", 2), ("Ａ", 2), ("🚀", 2), ("%", 1),
  ])
  func columnsAreCounted(text: String, columns: Int) { #expect(text.columns == columns) }

  @Test func textIsCutByColumns() {
    #expect("abcdef".clipped(to: 6) == "abcdef")
    #expect("abcdef".clipped(to: 4) == "abc…")
    #expect("版本版本".clipped(to: 4) == "版…")
    #expect("版本版本".clipped(to: 5) == "版本…")
    #expect("版".clipped(to: 1) == "…")
    #expect("版".clipped(to: 0) == "")
    #expect("版本".padded(to: 6) == "版本  ")
  }

  @Test func columnsOfATableStandBelowOneAnother() {
    #expect(
      TextTable(header: ["A", "B"], lines: [.cells(["版本", "1"]), .cells(["x", "2"])]).text
        == "A     B\n版本  1\nx     2\n")
  }

  @Test func timesAreShort() {
    #expect([5, 65, 3661, 90_000].map { TimeText.interval($0) } == ["5s", "1m5s", "1h1m", "1d1h"])
    #expect(
      [0, 500, 30_000, 90_000, 600_000, 7_200_000].map { TimeText.flag(milliseconds: $0) } == [
        "0ms", "500ms", "30s", "90s", "10m", "2h",
      ])
  }
}
