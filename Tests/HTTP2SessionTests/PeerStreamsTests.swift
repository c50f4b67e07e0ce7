import Testing

@testable import HTTP2Session

/// What the frames that come next are, from their headers alone.
@Suite struct PeerStreamsTests {
  private static func frame(type: UInt8 = 0, _ length: Int, on stream: UInt8 = 1, sent: Int = .max) -> [UInt8] {
    let size = [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255)]
    // Were the payload taken for a header, it would be a DATA frame.
    return size + [type, 0, 0, 0, 0, stream] + [UInt8](repeating: 0, count: min(length, sent))
  }

  struct Case: CustomTestStringConvertible {
    let testDescription: String
    /// What has been received.
    var before: [UInt8] = []
    let bytes: [UInt8]
    let ahead: Int

    init(_ name: String, before: [UInt8] = [], _ bytes: [UInt8], ahead: Int) {
      testDescription = name
      self.before = before
      self.bytes = bytes
      self.ahead = ahead
    }
  }

  private static let cases = [
    Case("nothing", [], ahead: 0),
    Case("a whole frame", frame(100), ahead: 109),
    Case("two of one stream", frame(100) + frame(200), ahead: 318),
    Case("two of two streams", frame(100) + frame(200, on: 3), ahead: 109),
    Case("a small one in between", frame(100) + frame(99) + frame(100), ahead: 109),
    Case("a small one first", frame(99) + frame(100), ahead: 0),
    Case("headers in between", frame(100) + frame(type: 1, 200, on: 3) + frame(100), ahead: 109),
    Case("headers first", frame(type: 1, 200) + frame(100), ahead: 0),
    Case("a part of a payload", frame(100) + frame(300, sent: 50), ahead: 109 + 59),
    Case("a part of a header", frame(100) + frame(200).prefix(8), ahead: 109),
    Case("a header alone", Array(frame(200).prefix(9)), ahead: 9),
    Case("the rest of a frame", before: frame(300, sent: 100), [UInt8](repeating: 0, count: 200), ahead: 200),
    Case("a part of the rest", before: frame(300, sent: 100), [UInt8](repeating: 0, count: 150), ahead: 150),
    Case(
      "the rest, and another stream's", before: frame(300, sent: 100),
      [UInt8](repeating: 0, count: 200) + frame(100, on: 3) + frame(100), ahead: 200 + 109),
    Case("the rest of a small one", before: frame(50, sent: 10), [UInt8](repeating: 0, count: 40), ahead: 40),
    Case(
      "the rest of headers", before: frame(type: 1, 300, sent: 100), [UInt8](repeating: 0, count: 200) + frame(100),
      ahead: 0),
    Case("in a header", before: Array(frame(300).prefix(4)), Array(frame(300).dropFirst(4)), ahead: 0),
    Case("after headers", before: frame(type: 1, 10), frame(100), ahead: 109),
  ]

  @Test(arguments: cases) func theBodyAhead(_ given: Case) {
    var streams = PeerStreams()
    let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    let violation = (preface + given.before).withUnsafeBytes { streams.firstViolation(in: $0) { _, _ in } }
    #expect(violation == nil)
    #expect(given.bytes.withUnsafeBytes { streams.bodyAhead(in: $0, least: 100) } == given.ahead)
  }

  @Test func aPrefaceIsNoBody() {
    let streams = PeerStreams()
    #expect(Self.frame(100).withUnsafeBytes { streams.bodyAhead(in: $0, least: 100) } == 0)
  }
}
