internal import HTTP2Session
internal import HTTP2Transport
internal import NIOCore

/// One accepted connection: turns its streams into calls, or answers them itself when they are no calls.
final class GRPCServerConnection: HTTP2ConnectionDelegate {
  private let server: GRPCServerCore
  private let channel: any Channel
  /// A closed channel does not know it any more.
  private let peer: SocketAddress?
  private let turns: LoopTurns?
  let timers: LoopTimers
  let calls: ConnectionCalls

  init(server: GRPCServerCore, channel: any Channel, peer: SocketAddress?, turns: LoopTurns?) {
    self.server = server
    self.channel = channel
    self.peer = peer
    self.turns = turns
    timers = turns?.timers ?? LoopTimers(eventLoop: channel.eventLoop)
    calls = ConnectionCalls(server: server, eventLoop: channel.eventLoop, peer: peer, timers: timers)
  }

  func connectionReady(_ connection: HTTP2Connection) {}

  func connectionGoingAway(_ connection: HTTP2Connection) {}

  func connection(_ connection: HTTP2Connection, reached limit: HTTP2StreamLimit) {
    switch limit {
    case .headerListSize:
      calls.conduct.note(.grave, sparing: calls.hasBlameless)
      server.counts.limitedStreams.add(.headerSize)
    case .writeStall: server.counts.limitedStreams.add(.writeStall)
    }
  }

  func connection(_ connection: HTTP2Connection, closed error: HTTP2ConnectionError) {
    calls.close()
    calls.conduct.connection = nil
    server.connectionClosed(
      channel, calls, from: peer, isOfUse: calls.hasOpenedStream, hasSpoken: connection.hasHeardPeer, error)
  }

  func connection(
    _ connection: HTTP2Connection, accept stream: HTTP2Stream, head: [HTTP2Header], endStream: Bool
  ) -> (any HTTP2StreamDelegate)? {
    calls.hasOpenedStream = true
    guard head.first(named: ":method") == "POST" else {
      noteOdd()
      return answer(stream, [HTTP2Header(":status", "405"), HTTP2Header("allow", "POST")])
    }
    guard isGRPC(contentType: head.first(named: "content-type")) else {
      noteOdd()
      return answer(stream, [HTTP2Header(":status", "415")])
    }
    let method = head.first(named: ":path") ?? ""
    var timeout: TimeAmount?
    if let value = head.first(named: "grpc-timeout") {
      guard let parsed = GRPCTimeout.parse(value) else {
        return refuse(stream, GRPCStatus(.internal, "the grpc-timeout field is malformed"))
      }
      timeout = parsed
    }
    let call = GRPCCall(
      role: .server, method: method, metadata: metadataFields(head), eventLoop: channel.eventLoop,
      remoteAddress: peer, maxMessageSize: server.configuration.maxMessageSize)
    call.stream = stream
    call.server = server
    call.connectionCalls = calls
    guard let handler = server.accept(call) else {
      call.stream = nil
      call.server = nil
      call.connectionCalls = nil
      noteOdd()
      return refuse(stream, GRPCStatus(.unimplemented, "unknown method \(method)"))
    }
    call.handler = handler
    server.callOpened()
    call.turns = turns
    call.messagesPerTurn = server.configuration.messagesPerTurn
    call.metadata = []
    call.charge = BufferCharge(calls)
    call.awaitFirstMessage()
    call.isQueueFull = !stream.isWritable
    if let timeout { call.startDeadline(timeout) }
    return GRPCCallStream(call)
  }

  /// A health check, say. On the connection of a proxy that is known it means nothing: an Envoy that is told to report its load asks for
  /// that again and again, and so do all of them behind one address.
  private func noteOdd() {
    if !calls.hasBlameless { calls.conduct.note(.odd, sparing: false) }
  }

  private func refuse(_ stream: HTTP2Stream, _ status: GRPCStatus) -> any HTTP2StreamDelegate {
    answer(
      stream,
      GRPCCall.responseHead + [
        HTTP2Header("grpc-status", "\(status.code.rawValue)"),
        HTTP2Header("grpc-message", StatusMessageCoding.encode(status.message)),
      ])
  }

  private func answer(_ stream: HTTP2Stream, _ head: [HTTP2Header]) -> any HTTP2StreamDelegate {
    stream.respond(head, endStream: true)
    return AnsweredStream()
  }
}

/// The user of a stream that has had its whole answer: what still arrives is dropped, and is credited when it closes.
private final class AnsweredStream: HTTP2StreamDelegate {
  func received(headers: [HTTP2Header], kind: HTTP2HeaderKind, endStream: Bool) {}
  func received(body: ByteBuffer) {}
  func receivedEnd() {}
  func writabilityChanged(isWritable: Bool) {}
  func connectionDraining() {}
  func closed(_ reason: HTTP2StreamCloseReason) {}
}
