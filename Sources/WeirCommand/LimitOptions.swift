import ArgumentParser
import Weir

/// The flags of `weir serve` that say what clients may ask for.
struct LimitOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Connections open at once; more are refused. (default: 20000, or what the file descriptors allow)",
      valueName: "count"),
    transform: FlagValue.count)
  var maxConnections: Int?

  @Option(
    help: ArgumentHelp("Streams open at once on a connection. (default: 100)", valueName: "count"),
    transform: FlagValue.count)
  var maxStreams = standard.streamsPerConnection

  @Option(
    help: ArgumentHelp(
      "Requests a second on a stream, beside ACKs; more wait. (default: 100)", valueName: "count"),
    transform: FlagValue.count)
  var maxRequestsPerSecond = standard.requestsPerSecond

  @Option(
    help: ArgumentHelp("Names of a type that a stream may subscribe to. (default: 250000)", valueName: "count"),
    transform: FlagValue.count)
  var maxSubscription = standard.subscription

  @Option(
    help: ArgumentHelp(
      "Kinds of proxies (namespace, listen address) connected at once; when nine tenths are, no address may bring more than half. (default: 1000)",
      valueName: "count"),
    transform: FlagValue.count)
  var maxProxyClasses = standard.proxyClasses

  @Option(
    help: ArgumentHelp("The size of a request. (default: 16MiB)", valueName: "size"),
    transform: { try FlagValue.byteCount($0, 1024...1 << 30) })
  var maxMessageSize = standard.messageSize

  @Option(
    help: ArgumentHelp("The size of a request's header fields. (default: 16KiB)", valueName: "size"),
    transform: { try FlagValue.byteCount($0, 1024...1 << 20) })
  var maxHeaderSize = standard.headerSize

  @Option(
    help: ArgumentHelp("How long a connection may be without a stream. (default: 5m)", valueName: "time"),
    transform: FlagValue.time)
  var idleTime = standard.idleTime

  @Option(
    help: ArgumentHelp(
      "How long a new connection may take for TLS and HTTP/2, then for its first stream, and that for a request. (default: 10s)",
      valueName: "time"),
    transform: FlagValue.time)
  var handshakeTime = standard.handshakeTime

  @Option(
    help: ArgumentHelp(
      "What may wait on a stream for a client that does not read. (default: 64KiB)", valueName: "size"),
    transform: { try FlagValue.byteCount($0, 1024...1 << 30) })
  var maxStreamBuffer = standard.streamBuffer

  @Option(
    help: ArgumentHelp("What all clients together may make the process hold. (default: 512MiB)", valueName: "size"),
    transform: { try FlagValue.byteCount($0, 1 << 20...1 << 40) })
  var maxBufferMemory = standard.bufferMemory

  @Option(
    help: ArgumentHelp(
      "What the clients of one address may make it hold, of names, unanswered responses, and streams each. (default: a quarter of that)",
      valueName: "size"),
    transform: { try FlagValue.byteCount($0, 1024...1 << 40) })
  var maxClientMemory: Int?

  private static let standard = Limits()

  func validate() throws {
    guard maxMessageSize <= maxBufferMemory / 2 else {
      throw ValidationError("--max-buffer-memory: it must have room for two requests of --max-message-size")
    }
  }

  /// - Parameter descriptors: how many file descriptors the process may have open.
  func limits(descriptors: Int) -> Limits {
    Limits(
      connections: maxConnections ?? min(Self.standard.connections, Self.connections(descriptors: descriptors)),
      streamsPerConnection: maxStreams, requestsPerSecond: maxRequestsPerSecond, subscription: maxSubscription,
      proxyClasses: maxProxyClasses, messageSize: maxMessageSize, headerSize: maxHeaderSize, idleTime: idleTime,
      handshakeTime: handshakeTime,
      streamBuffer: maxStreamBuffer, bufferMemory: maxBufferMemory, clientMemory: maxClientMemory)
  }

  /// How many connections there are descriptors for: 256 are left for files, the admin server, and connections that are being
  /// refused; of few, half.
  static func connections(descriptors: Int) -> Int { max(1, max(descriptors - 256, descriptors / 2)) }
}
