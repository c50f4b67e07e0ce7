import NIOCore
import Testing

@testable import GRPCTransport

@Suite struct CodingTests {
  @Test(arguments: [
    ("1n", 1), ("20m", 20_000_000), ("3S", 3_000_000_000), ("2M", 120_000_000_000), ("1H", 3_600_000_000_000),
    ("99999999u", 99_999_999_000), ("99999999H", Int64.max), ("0S", 0),
  ])
  func timeouts(text: String, nanoseconds: Int64) {
    #expect(GRPCTimeout.parse(text)?.nanoseconds == nanoseconds)
  }

  @Test(arguments: ["", "S", "5", "-1S", "+1S", "1.5S", "999999999S", "1s", "1 S", "٣S"])
  func malformedTimeouts(text: String) {
    #expect(GRPCTimeout.parse(text) == nil)
  }

  @Test func formattedTimeoutsAreNeverShorter() throws {
    for amount: TimeAmount in [
      .nanoseconds(1), .milliseconds(1), .seconds(7), .hours(30), .nanoseconds(123_456_789_123),
    ] {
      let parsed = try #require(GRPCTimeout.parse(GRPCTimeout.format(amount)))
      #expect(parsed >= amount)
      #expect(parsed.nanoseconds - amount.nanoseconds <= amount.nanoseconds / 100_000)
    }
  }

  @Test(arguments: [
    ("plain text, ~ and !", "plain text, ~ and !"), ("100%", "100%25"), ("a\nb", "a%0Ab"), ("ü", "%C3%BC"), ("", ""),
  ])
  func messages(text: String, encoded: String) {
    #expect(StatusMessageCoding.encode(text) == encoded)
    #expect(StatusMessageCoding.decode(encoded) == text)
  }

  @Test func brokenEscapesAreKept() {
    #expect(StatusMessageCoding.decode("50%") == "50%")
    #expect(StatusMessageCoding.decode("%zz%4") == "%zz%4")
    #expect(StatusMessageCoding.decode("%c3%bc") == "ü")
  }

  /// Any split of any messages gives the same messages.
  @Test(arguments: [1, 2, 3, 7, 64, 100_000])
  func deframing(chunk: Int) throws {
    let messages = [0, 1, 4, 5, 6, 100, 5000, 0, 0, 3].map { ByteBuffer(repeating: UInt8($0 % 251), count: $0) }
    var wire = ByteBuffer()
    for message in messages { wire.writeImmutableBuffer(GRPCFraming.frame(message)) }
    var deframer = GRPCDeframer(maxMessageSize: 5000)
    var found: [ByteBuffer] = []
    while wire.readableBytes > 0 {
      deframer.append(wire.readSlice(length: min(chunk, wire.readableBytes)) ?? ByteBuffer())
      while let message = try deframer.next() { found.append(message) }
    }
    #expect(found == messages)
    #expect(deframer.bufferedBytes == 0)
  }

  /// Room is made for some times what has come, never for what was merely announced.
  @Test func roomIsMadeForWhatHasCome() throws {
    var deframer = GRPCDeframer(maxMessageSize: 4 << 20)
    let wire = GRPCFraming.frame(ByteBuffer(repeating: 7, count: 1 << 20))
    var rest = wire
    var moves = 0
    var capacity = 0
    while let piece = rest.readSlice(length: min(8192, rest.readableBytes)), piece.readableBytes > 0 {
      deframer.append(piece)
      if rest.readableBytes > 0 {
        #expect(try deframer.next() == nil)
        deframer.compact()
        #expect(deframer.capacity <= max(8 * deframer.bufferedBytes, 2 << 10))
      }
      if deframer.capacity != capacity { moves += 1 }
      capacity = deframer.capacity
    }
    #expect(moves <= 6)
    #expect(try deframer.next()?.readableBytes == 1 << 20)
  }

  @Test func deframingRefuses() {
    func verdict(_ bytes: [UInt8]) -> GRPCStatus.Code? {
      var deframer = GRPCDeframer(maxMessageSize: 10)
      deframer.append(ByteBuffer(bytes: bytes))
      do {
        _ = try deframer.next()
        return nil
      } catch {
        return error.code
      }
    }
    #expect(verdict([0, 0, 0, 0, 11]) == .resourceExhausted)
    #expect(verdict([0, 0xff, 0xff, 0xff, 0xff]) == .resourceExhausted)
    #expect(verdict([1, 0, 0, 0, 1]) == .unimplemented)
    #expect(verdict([7, 0, 0, 0, 1]) == .internal)
    #expect(verdict([0, 0, 0, 0]) == nil)
  }

  @Test func contentTypes() {
    for good in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
      #expect(isGRPC(contentType: good))
    }
    for bad in [nil, "", "application/json", "application/grpc-web", "application/grpcx"] {
      #expect(!isGRPC(contentType: bad))
    }
  }
}
