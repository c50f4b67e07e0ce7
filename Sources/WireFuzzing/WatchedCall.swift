internal import GRPCTransport
internal import NIOCore

/// Whether every call hears what it must, in an order that it can: messages, at most one end, one close, then nothing.
final class CallLedger {
  private(set) var opened = 0
  private(set) var closed = 0
  /// Messages that handlers got.
  fileprivate(set) var messages = 0
  /// Handlers that exist.
  fileprivate(set) var live = 0
  private var complaints: [String] = []

  fileprivate func open() {
    opened += 1
    live += 1
  }

  fileprivate func close() { closed += 1 }

  fileprivate func complain(_ text: String) { complaints.append(text) }

  func check() throws {
    if let first = complaints.first { throw FuzzFailure(first) }
    try require(opened == closed, "stuck: \(opened - closed) of \(opened) calls never heard that they are closed")
    try require(live == 0, "\(live) of \(opened) handlers outlive their calls")
  }
}

/// Passes on what the transport says to a handler, and writes down what should not have been said.
final class WatchedCall: GRPCCallHandler {
  private let inner: any GRPCCallHandler
  private let ledger: CallLedger
  private var hasEnded = false
  private var isClosed = false

  init(_ inner: any GRPCCallHandler, _ ledger: CallLedger) {
    self.inner = inner
    self.ledger = ledger
    ledger.open()
  }

  deinit { ledger.live -= 1 }

  func received(message: ByteBuffer) {
    if isClosed { ledger.complain("a message after the close") }
    if hasEnded { ledger.complain("a message after the end") }
    ledger.messages += 1
    inner.received(message: message)
  }

  func receivedEnd() {
    if isClosed { ledger.complain("an end after the close") }
    if hasEnded { ledger.complain("a second end") }
    hasEnded = true
    inner.receivedEnd()
  }

  func writabilityChanged(isWritable: Bool) {
    if isClosed { ledger.complain("writability after the close") }
    inner.writabilityChanged(isWritable: isWritable)
  }

  func shutdownRequested() {
    if isClosed { ledger.complain("a shutdown after the close") }
    inner.shutdownRequested()
  }

  var endsAtShutdown: Bool { inner.endsAtShutdown }

  func closed(_ reason: GRPCCloseReason) {
    if isClosed { ledger.complain("closed twice") }
    isClosed = true
    ledger.close()
    inner.closed(reason)
  }
}

/// Does what the first byte of a message says.
final class EchoHandler: GRPCCallHandler {
  private let call: GRPCCall

  init(_ call: GRPCCall) {
    self.call = call
  }

  func received(message: ByteBuffer) {
    switch message.getInteger(at: message.readerIndex, as: UInt8.self).map({ $0 % 16 }) {
    case 1:
      call.pauseReading()
      call.eventLoop.assumeIsolated().execute { [call] in call.resumeReading() }
    case 2: call.finish(.ok)
    case 3: call.reset()
    case 4: call.send(ByteBuffer(repeating: 7, count: 100_000))
    case 5: call.sendInitialMetadata([(name: "x", value: "y")])
    case 6:
      // Inside a pause the rest of what has arrived waits; the end of the call must not.
      call.pauseReading()
    case 7: call.finish(GRPCStatus(.internal, "é%\n"))
    default: call.send(message)
    }
  }

  func receivedEnd() { call.finish(.ok) }

  func closed(_ reason: GRPCCloseReason) {}
}
