import Foundation
import Testing

@testable import ReleaseStores

@Suite struct TimestampTests {
  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
      (951_868_799_999, "2000-02-29T23:59:59.999Z"), (1_795_860_300_123, "2026-11-28T10:05:00.123Z"),
      (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
      (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] as [(Int64, String)]) func isRFC3339(_ milliseconds: Int64, _ text: String)
  {
    #expect(Timestamp(millisecondsSince1970: milliseconds).description == text)
    #expect(Timestamp(text)?.millisecondsSince1970 == milliseconds)
  }

  @Test func agreesWithFoundationOnEveryDayOfFourCenturies() {
    let style = Date.ISO8601FormatStyle()
    for day in stride(from: Int64(-75_000), to: 75_000, by: 1) {
      let time = Timestamp(millisecondsSince1970: day * 86_400_000 + 3_661_000)
      let expected = Date(timeIntervalSince1970: Double(day * 86_400 + 3_661)).formatted(style)
      guard time.description == expected.dropLast() + ".000Z", Timestamp(time.description) == time else {
        Issue.record("\(time) is not \(expected)")
        return
      }
    }
  }

  @Test(arguments: [
    "", "2026-11-28", "2026-11-28T10:05:00Z", "2026-11-28T10:05:00.1234", "2026-02-30T00:00:00.000Z",
    "2026-13-01T00:00:00.000Z", "2026-11-28T24:00:00.000Z", "2026-11-28T10:60:00.000Z", "2026-11-28 10:05:00.123Z",
    "2026-11-28T10:05:00.123+", "٢026-11-28T10:05:00.123Z",
  ]) func nothingElseIsRead(_ text: String) { #expect(Timestamp(text) == nil) }

  @Test func isCountedInMilliseconds() {
    let time = Timestamp(millisecondsSince1970: 1_000)
    #expect((time + .microseconds(2_500)).millisecondsSince1970 == 1_002)
    #expect(time + .seconds(2) - time == .seconds(2))
    #expect(abs(Double(Timestamp.now.millisecondsSince1970) / 1_000 - Date().timeIntervalSince1970) < 10)
  }
}

@Suite struct StateDirectoryTests {
  @Test(
    arguments: [
      (["XDG_STATE_HOME": "/s", "HOME": "/h"], "/s/weir"), (["XDG_STATE_HOME": "/s/"], "/s/weir"),
      (["HOME": "/h"], "/h/.local/state/weir"), (["XDG_STATE_HOME": "", "HOME": "/h"], "/h/.local/state/weir"),
      (["XDG_STATE_HOME": "relative", "HOME": "/h"], "/h/.local/state/weir"), (["HOME": ""], nil), ([:], nil),
    ] as [([String: String], String?)]) func isTheUsers(_ environment: [String: String], _ directory: String?)
  {
    #expect(StateDirectory.ofUser { environment[$0] } == directory)
  }
}
