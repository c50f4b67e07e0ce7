import EnvoyAPI
import NIOCore
import Synchronization
import Testing
import XDSServer
import XDSSnapshot

/// A well-behaved proxy on a delta stream of its own: each update that is published must reach it.
final class Bystander: Sendable {
  static let proxyClass = ProxyClass(namespace: "default", listenHost: "127.0.0.1", listenPort: 15001)

  private let connection: RawConnection
  private let xds: XDSServer
  private let version = Atomic(0)

  /// How many updates came.
  var updates: Int { version.load(ordering: .relaxed) }

  private init(connection: RawConnection, xds: XDSServer) {
    self.connection = connection
    self.xds = xds
  }

  static func open(port: Int, xds: XDSServer) async throws -> Bystander {
    let connection = try await RawConnection.open(port: port, answersPings: true)
    try await connection.handshake()
    connection.send(.headers(1, ADS.head, endStream: false))
    connection.send(.data(1, ADS.subscription()))
    return Bystander(connection: connection, xds: xds)
  }

  /// Publishes a change, and waits until it is here, and accepts it.
  func update() async throws {
    let version = version.add(1, ordering: .relaxed).newValue
    var clusters = ResourceTable()
    clusters.set(Resource(name: "bystander", bytes: Array("update \(version)".utf8)))
    xds.publish(
      Generation(
        number: UInt64(version), clusters: clusters, endpoints: ResourceTable(),
        classes: [Self.proxyClass: .init(listeners: ResourceTable(), routes: ResourceTable())]))
    // A response is one DATA frame: these are far too small for two.
    let frame = try await connection.first("update \(version) for the bystander") { arrival -> Frame? in
      if case .frame(let frame) = arrival, frame.kind == Frame.Kind.data { frame } else { nil }
    }
    let response = try DeltaDiscoveryResponse(decoding: Array(frame.payload.dropFirst(5)))
    #expect(response.resources.compactMap(\.body) == [Array("update \(version)".utf8)])
    var acknowledgement = DeltaDiscoveryRequest()
    acknowledgement.typeURL = TypeURL.cluster
    acknowledgement.responseNonce = response.nonce
    let received = UInt32(frame.payload.count)
    connection.send(
      .windowUpdate(0, received), .windowUpdate(1, received), .data(1, Request.message(acknowledgement.encoded())))
  }
}

/// The aggregated service, by hand.
enum ADS {
  static let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
  static let head = Request.block(path)

  /// A framed request for all clusters, or for these names.
  static func subscription(_ names: [String] = []) -> [UInt8] { Request.message(request(names)) }

  static func request(_ names: [String] = []) -> [UInt8] {
    var request = DeltaDiscoveryRequest()
    request.node = NodeIdentity(id: "test")
    request.typeURL = TypeURL.cluster
    request.resourceNamesSubscribe = names
    return request.encoded()
  }
}

extension RawConnection {
  /// Opens an xDS stream and sends these bytes on it, in frames that the server takes.
  func callADS(_ stream: UInt32 = 1, _ body: [UInt8]) {
    send(.headers(stream, ADS.head, endStream: false))
    for start in stride(from: 0, to: body.count, by: 1 << 14) {
      send(.data(stream, Array(body[start..<min(start + 1 << 14, body.count)])))
    }
  }

  /// The `grpc-status` that a stream ends with.
  func grpcStatus(of stream: UInt32 = 1) async throws -> String? {
    let trailers = try await first("the end of stream \(stream)") { arrival -> Frame? in
      guard case .frame(let frame) = arrival, frame.stream == stream else { return nil }
      guard frame.kind != Frame.Kind.resetStream else { throw Unexpected("\(frame)") }
      return frame.kind == Frame.Kind.headers && frame.endsStream ? frame : nil
    }
    return HPACK.fields(trailers.payload)?.first { $0.name == "grpc-status" }?.value
  }

  /// The code with which the server resets a stream.
  func resetCode(of stream: UInt32 = 1) async throws -> ErrorCode {
    try await first("a reset of stream \(stream)") { arrival -> ErrorCode? in
      guard case .frame(let frame) = arrival, frame.stream == stream, frame.kind == Frame.Kind.resetStream else {
        return nil
      }
      return frame.errorCode.map(ErrorCode.init(rawValue:))
    }
  }

  /// Sends bytes again and again until the server closes; at most so often. Returns whether it has closed meanwhile.
  func pour(_ bytes: [UInt8], atMost times: Int) async -> Bool {
    for _ in 0..<times where await !sendAndWait(bytes: bytes) { return true }
    return false
  }

  /// The same for a server that must close, if only after it has read all of it.
  func flood(_ bytes: [UInt8], atMost times: Int) async throws {
    if await !pour(bytes, atMost: times) { _ = try await untilClosed() }
  }
}
