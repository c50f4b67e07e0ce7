internal import NIOCore
internal import NIOHTTP1

/// One connection of a load: at most one request at a time. Confined to its channel's event loop, which is the engine's.
///
///     opening ──active──▶ free ──send──▶ busy ──end──▶ free
///                          │               │
///                          └──inactive─────┴──inactive, timeout──▶ gone (a request in flight has failed)
final class LoadConnection: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  typealias OutboundOut = HTTPClientRequestPart

  private struct Flight {
    var target: LoadTarget
    var due: NIODeadline
    var sent: NIODeadline
    var head: HTTPResponseHead?
  }

  private let engine: LoadEngine
  private var context: ChannelHandlerContext?
  private var flight: Flight?

  init(engine: LoadEngine) { self.engine = engine }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  func channelActive(context: ChannelHandlerContext) {
    self.context = context
    engine.opened(self)
  }

  func send(_ target: LoadTarget, due: NIODeadline) {
    flight = Flight(target: target, due: due, sent: .now())
    guard let context else { return }
    var headers = HTTPHeaders([("host", target.host)])
    for (name, value) in target.headers { headers.add(name: name, value: value) }
    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: target.path, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }

  func close() { context?.close(promise: nil) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      flight?.head = head
    case .body:
      break
    case .end:
      guard let head = flight?.head else { return }
      let isSuccess = (200..<300).contains(head.status.code)
      let details = head.headers.first(name: "x-envoy-response-flags").map { " (\($0))" } ?? ""
      end(failure: isSuccess ? nil : "status \(head.status.code)\(details)")
      if head.isKeepAlive {
        engine.isFree(self)
      } else {
        context.close(promise: nil)
      }
      engine.finishIfDone()
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    self.context = nil
    end(failure: "connection closed by Envoy")
    engine.closed(self)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    end(failure: "\(error)")
    context.close(promise: nil)
  }

  func failIfSent(before limit: NIODeadline) {
    guard let flight, flight.sent < limit else { return }
    end(failure: "timeout")
    close()
  }

  private func end(failure: String?) {
    guard let flight else { return }
    self.flight = nil
    let headers = flight.head?.headers
    engine.ended(
      LoadResult(
        target: flight.target, status: flight.head.map { Int($0.status.code) } ?? 0,
        backend: headers?.first(name: "x-backend") ?? "", version: headers?.first(name: "x-version") ?? "",
        due: flight.due, sent: flight.sent, finished: .now(), failure: failure))
  }
}
