internal import NIOCore
internal import NIOPosix

/// A TCP server in this process that answers each line with its own name and the line.
public final class TCPBackend: Sendable {
  public let name: String
  public let ip: String
  public let port: Int
  public var address: String { "\(ip):\(port)" }
  private let listener: any Channel

  private init(name: String, ip: String, listener: any Channel) {
    self.name = name
    self.ip = ip
    self.port = listener.localAddress?.port ?? 0
    self.listener = listener
  }

  /// - Throws: ``HarnessError`` `connection` if the address is taken.
  public static func start(_ name: String, ip: String = "127.0.0.1", port: Int = 0) async throws -> TCPBackend {
    do {
      let listener = try await ServerBootstrap(group: Backend.group)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Echo(name: name))
          }
        }
        .bind(host: ip, port: port).get()
      return TCPBackend(name: name, ip: ip, listener: listener)
    } catch {
      throw HarnessError(.connection, "backend \(name) cannot listen on \(ip):\(port)", cause: error)
    }
  }

  public func stop() async {
    try? await listener.close()
  }

  private final class Echo: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let name: String
    private var line = ""

    init(name: String) { self.name = name }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      line += String(buffer: unwrapInboundIn(data))
      while let end = line.firstIndex(of: "\n") {
        let answer = "\(name): \(line[..<end])\n"
        line.removeSubrange(...end)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
      }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }
  }
}

/// One line there and one line back, on a connection of its own.
public enum TCPCall {
  /// Sends a line and gives the line that comes back, without its end.
  ///
  /// - Throws: ``HarnessError`` `connection` if there is no connection or it ends before the line does; `timeout`.
  public static func exchange(
    _ address: String, line: String, timeout: Duration = .seconds(5)
  ) async throws -> String {
    let (ip, port) = try HTTPCall.split(address)
    let loop = MultiThreadedEventLoopGroup.singleton.any()
    let promise = loop.makePromise(of: String.self)
    let limit = loop.scheduleTask(in: .nanoseconds(timeout.wholeNanoseconds)) {
      promise.fail(HarnessError(.timeout, "no line from \(address) within \(timeout)"))
    }
    promise.futureResult.whenComplete { _ in limit.cancel() }
    do {
      let channel = try await ClientBootstrap(group: loop)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Exchange(line: line, promise: promise))
          }
        }
        .connect(host: ip, port: port).get()
      defer { channel.close(promise: nil) }
      return try await promise.futureResult.get()
    } catch let error as HarnessError {
      throw error
    } catch {
      promise.fail(error)
      throw HarnessError(.connection, "no connection to \(address)", cause: error)
    }
  }

  private final class Exchange: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let line: String
    private let promise: EventLoopPromise<String>
    private var answer = ""

    init(line: String, promise: EventLoopPromise<String>) {
      self.line = line
      self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: line + "\n")), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      answer += String(buffer: unwrapInboundIn(data))
      if answer.hasSuffix("\n") { promise.succeed(String(answer.dropLast())) }
    }

    func channelInactive(context: ChannelHandlerContext) {
      promise.fail(HarnessError(.connection, "closed before a line came"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      promise.fail(error)
    }
  }
}
