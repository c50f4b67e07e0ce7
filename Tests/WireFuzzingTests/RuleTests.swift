import GRPCTransport
import NIOCore
import Testing
import XDSSnapshot

@testable import WireFuzzing

/// The rules that fuzzing checks do find what breaks them.
@Suite struct RuleTests {
  @Test func aHandlerThatNeverHearsItsCloseIsStuck() throws {
    let ledger = CallLedger()
    let handler = WatchedCall(SilentHandler(), ledger)
    #expect(throws: FuzzFailure.self) { try ledger.check() }
    handler.closed(.reset)
    #expect(throws: FuzzFailure.self) { try ledger.check() }
    withExtendedLifetime(handler) {}
  }

  @Test func aHandlerThatIsClosedAndGoneIsNot() throws {
    let ledger = CallLedger()
    do {
      let handler = WatchedCall(SilentHandler(), ledger)
      handler.closed(.reset)
    }
    try ledger.check()
  }

  @Test func aMessageAfterTheEndIsNoticed() {
    let ledger = CallLedger()
    do {
      let handler = WatchedCall(SilentHandler(), ledger)
      handler.receivedEnd()
      handler.received(message: ByteBuffer())
      handler.closed(.reset)
    }
    #expect(throws: FuzzFailure.self) { try ledger.check() }
  }

  /// An input whose cost is the square of its length, which no crash would show.
  @Test func anInputThatTakesTooLongIsFound() throws {
    let marks = Array(
      (String(repeating: "\u{301}", count: 16_000) + String(repeating: "\u{323}", count: 16_000)).utf8)
    func target(_ input: [UInt8]) -> FuzzTarget {
      FuzzTarget(
        name: "hash", share: 1, generate: { _ in input }, run: { _ = String(decoding: $0, as: UTF8.self).hashValue })
    }
    // Of the limits of an optimised build.
    var run = FuzzRun(target(marks), seed: 1, count: 1)
    run.budget = InputBudget(fixed: 250_000_000, perByte: 2000)
    let found = #expect(throws: FuzzRun.Found.self) { try run.run() }
    #expect(found?.failure.contains("64000 bytes may take 378 ms") ?? false, "\(found?.failure ?? "")")
    run = FuzzRun(target([UInt8](repeating: 0x78, count: 64_000)), seed: 1, count: 1)
    run.budget = InputBudget(fixed: 250_000_000, perByte: 2000)
    try run.run()
  }

  @Test func inputsGetAsFarAsMessages() throws {
    var (calls, messages) = (0, 0)
    for seed in 1...400 {
      guard let ledger = try runHTTP2(FuzzRun.input(of: .http2, seed: UInt64(seed))) else { continue }
      calls += ledger.opened
      messages += ledger.messages
    }
    print("fuzz: 400 http2 inputs open \(calls) calls, which get \(messages) messages")
    #expect(calls > 100)
    #expect(messages > 500)
  }

  @Test func theReferenceCutsMessages() {
    let framing = ReferenceFraming([0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0], maximum: 10)
    #expect(framing.messages == [[9], []])
    #expect(framing.ending == .waiting(3))
    #expect(ReferenceFraming([0, 0, 0, 0, 11], maximum: 10).ending == .tooLarge)
    #expect(ReferenceFraming([1, 0, 0, 0, 1], maximum: 10).ending == .compressed)
  }

  @Test func theReferenceReadsFields() throws {
    // resource_names: "a", "b"; an unknown varint.
    let message = try ReferenceMessage(.discoveryRequest, [0x1a, 1, 0x61, 0x1a, 1, 0x62, 0xa0, 6, 1][...])
    #expect(message.strings(3) == ["a", "b"])
    for wrong: [UInt8] in [[0x1a, 2, 0x61], [0x1a, 1, 0], [0x1a, 1, 0xff], [0x18, 1], [0x1b], [0x00]] {
      #expect(throws: ReferenceMessage.Refusal.self) { try ReferenceMessage(.discoveryRequest, wrong[...]) }
    }
  }

  @Test func theModelKnowsWhatIsHeld() throws {
    var model = ModelStream(.cluster, isDelta: true)
    model.requestedDelta(adding: [], removing: [])
    let response = ModelResponse(type: .cluster, nonce: "1", version: "", bodies: ["a": [1], "b": [2]])
    try model.received(response)
    #expect(throws: FuzzFailure.self) { try model.received(response) }
    let taken = model.takeWaiting()
    let waiting = try #require(taken)
    model.accept(waiting)
    #expect(model.difference(["a": [1], "b": [2]]) == nil)
    #expect(model.difference(["a": [1]]) != nil)
    #expect(model.difference(["a": [1], "b": [3]]) != nil)
    #expect(model.difference(["a": [1], "b": [2], "c": [4]]) != nil)
  }
}

private final class SilentHandler: GRPCCallHandler {
  func received(message: ByteBuffer) {}
  func closed(_ reason: GRPCCloseReason) {}
}
