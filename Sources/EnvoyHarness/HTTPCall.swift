public import NIOHTTP1
internal import NIOCore
internal import NIOPosix

/// One HTTP/1.1 request on a connection of its own: for admin interfaces and single looks, not for load.
public enum HTTPCall {
  public struct Response: Sendable {
    public var status: Int
    public var headers: HTTPHeaders
    public var body: String
  }

  /// - Parameters:
  ///   - address: `IP:PORT`.
  ///   - host: the Host header; the address if nil.
  ///   - body: sent as it is; nil for none.
  /// - Throws: ``HarnessError`` `connection` or `timeout`.
  public static func get(
    _ address: String, _ path: String, host: String? = nil, headers: [String: String] = [:],
    method: HTTPMethod = .GET, body: String? = nil, timeout: Duration = .seconds(10)
  ) async throws -> Response {
    let (ip, port) = try split(address)
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    let promise = loop.makePromise(of: Response.self)
    var head = HTTPRequestHead(version: .http1_1, method: method, uri: path)
    head.headers.add(name: "host", value: host ?? address)
    head.headers.add(name: "connection", value: "close")
    if method == .POST { head.headers.add(name: "content-length", value: "\(body?.utf8.count ?? 0)") }
    for (name, value) in headers { head.headers.replaceOrAdd(name: name, value: value) }
    let limit = loop.scheduleTask(in: .nanoseconds(timeout.wholeNanoseconds)) {
      promise.fail(HarnessError(.timeout, "\(method) \(address)\(path): no answer within \(timeout)"))
    }
    promise.futureResult.whenComplete { _ in limit.cancel() }
    do {
      let request = head
      let channel = try await ClientBootstrap(group: loop)
        .connectTimeout(.seconds(5))
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(
              Exchange(request: request, body: body, promise: promise))
          }
        }
        .connect(host: ip, port: port).get()
      defer { channel.close(promise: nil) }
      return try await promise.futureResult.get()
    } catch let error as HarnessError {
      throw error
    } catch {
      promise.fail(error)
      throw HarnessError(.connection, "\(method) \(address)\(path) failed", cause: error)
    }
  }

  static func split(_ address: String) throws -> (ip: String, port: Int) {
    guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]) else {
      throw HarnessError(.malformed, "'\(address)' is not IP:PORT")
    }
    return (String(address[..<colon]), port)
  }

  private final class Exchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: HTTPRequestHead
    private let requestBody: String?
    private let promise: EventLoopPromise<Response>
    private var response = Response(status: 0, headers: [:], body: "")
    private var body = ByteBuffer()
    private var isDone = false

    init(request: HTTPRequestHead, body: String?, promise: EventLoopPromise<Response>) {
      self.request = request
      requestBody = body
      self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
      context.write(wrapOutboundOut(.head(request)), promise: nil)
      if let requestBody {
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: requestBody)))), promise: nil)
      }
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head):
        response.status = Int(head.status.code)
        response.headers = head.headers
      case .body(var bytes):
        body.writeBuffer(&bytes)
      case .end:
        isDone = true
        response.body = String(buffer: body)
        promise.succeed(response)
        context.close(promise: nil)
      }
    }

    func channelInactive(context: ChannelHandlerContext) {
      if !isDone { promise.fail(HarnessError(.connection, "closed before the whole answer was there")) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      promise.fail(error)
      context.close(promise: nil)
    }
  }
}

extension Duration {
  var wholeNanoseconds: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }
}
