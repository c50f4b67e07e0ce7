import EnvoyAPI
import EnvoyHarness
import GRPCTransport
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// How long each update of a window took.
struct Updates: Sendable {
  /// Ascending.
  let latencies: [TimeAmount]
  /// The second slowest of each tenth of the window, from its beginning: where in a window the slow ones are.
  let course: [TimeAmount]

  init(_ samples: [Bystander.Sample]) {
    latencies = samples.map(\.latency).sorted()
    let inOrder = samples.sorted { $0.written < $1.written }.map(\.latency)
    let part = max(1, (inOrder.count + 9) / 10)
    course = stride(from: 0, to: inOrder.count, by: part).map {
      inOrder[$0..<min($0 + part, inOrder.count)].sorted().suffix(2).first ?? .zero
    }
  }
}

/// A well-behaved proxy on the server that is attacked: delta ADS, all clusters and listeners, all assignments, the route
/// table. It accepts everything, and notes when each update came.
final class Bystander: Sendable {
  /// One update of one service's endpoints.
  struct Sample: Sendable {
    var written: NIODeadline
    var latency: TimeAmount
  }

  private struct State {
    /// What was written and has not come, oldest first, by service.
    var outstanding: [String: [(number: Int, written: NIODeadline)]] = [:]
    var last: [String: Int] = [:]
    var samples: [Sample] = []
    var superseded = 0
    var reordered: [String] = []
    var types: Set<String> = []
    var end: String?
  }

  private let state = NIOLockedValueBox(State())
  private let client: GRPCClient

  private init(_ client: GRPCClient) { self.client = client }

  /// Some of the attackers have it too.
  static let attackersAddress = "127.0.1.1"

  /// - Parameters:
  ///   - source: the address to come from; the system's choice if nil.
  ///   - limit: how long it may take until it has all types.
  static func connect(
    to address: String, from source: String? = nil, within limit: Duration = .seconds(30)
  ) async throws -> Bystander {
    let parts = address.split(separator: ":")
    guard parts.count == 2, let port = Int(parts[1]) else { throw HarnessError(.malformed, "no address: \(address)") }
    var configuration = GRPCClientConfiguration()
    configuration.localAddress = try source.map { try SocketAddress(ipAddress: $0, port: 0) }
    let client = try await GRPCClient.connect(
      to: .tcp(host: String(parts[0]), port: port), group: MultiThreadedEventLoopGroup.singleton,
      configuration: configuration)
    let bystander = Bystander(client)
    client.start(method: HostileBytes.delta) { Stream($0, bystander) }
    do {
      try await poll("the bystander holds all types", within: limit, every: .milliseconds(2)) {
        if let end = bystander.end { throw HarnessError(.connection, "the bystander's stream ended: \(end)") }
        return bystander.state.withLockedValue { $0.types.count == 4 }
      }
    } catch {
      await client.close()
      throw error
    }
    return bystander
  }

  /// How its stream ended, if it has.
  var end: String? { state.withLockedValue { $0.end } }
  var reordered: [String] { state.withLockedValue { $0.reordered } }
  /// Updates that came as part of a newer one of the same service.
  var superseded: Int { state.withLockedValue { $0.superseded } }
  var outstanding: Int { state.withLockedValue { $0.outstanding.values.reduce(0) { $0 + $1.count } } }

  func expect(_ number: Int, of cluster: String) {
    state.withLockedValue { $0.outstanding[cluster, default: []].append((number, .now())) }
  }

  func takeSamples() -> [Sample] {
    state.withLockedValue { state in
      defer { state.samples = [] }
      return state.samples
    }
  }

  func close() async { await client.close() }

  private func received(_ number: Int, of cluster: String) {
    let now = NIODeadline.now()
    state.withLockedValue { state in
      if let last = state.last[cluster], number < last { state.reordered.append("\(cluster): \(number) after \(last)") }
      state.last[cluster] = number
      guard let waiting = state.outstanding[cluster] else { return }
      let arrived = waiting.filter { $0.number <= number }
      guard !arrived.isEmpty else { return }
      state.superseded += arrived.count - 1
      state.samples += arrived.map { Sample(written: $0.written, latency: now - $0.written) }
      state.outstanding[cluster] = waiting.filter { $0.number > number }
    }
  }

  /// The address that stands for an update, and back.
  static func address(of number: Int) -> String { "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)" }

  private static func number(in assignment: [UInt8]) -> Int? {
    let mark = Array("10.".utf8)
    // The name of a service may have the mark in it, but no address.
    for start in assignment.indices where assignment[start...].starts(with: mark) {
      let text = assignment[start...].prefix { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
      let parts = String(decoding: text, as: UTF8.self).split(separator: ".").compactMap { Int($0) }
      if parts.count == 4 { return parts[1] << 16 | parts[2] << 8 | parts[3] }
    }
    return nil
  }

  private final class Stream: GRPCCallHandler {
    private let call: GRPCCall
    private let bystander: Bystander

    init(_ call: GRPCCall, _ bystander: Bystander) {
      self.call = call
      self.bystander = bystander
      request(TypeURL.cluster, node: "bystander")
      request(TypeURL.listener)
      request(TypeURL.route, subscribe: ["outbound"])
    }

    private func request(_ type: String, node: String? = nil, subscribe: [String] = [], nonce: String = "") {
      call.send(ByteBuffer(bytes: HostileBytes.request(type, node: node, subscribe: subscribe, nonce: nonce)))
    }

    func received(message: ByteBuffer) {
      guard let response = try? message.withUnsafeReadableBytes({ try DeltaDiscoveryResponse(decoding: $0) }) else {
        return closed(why: "a response cannot be read")
      }
      request(response.typeURL, nonce: response.nonce)
      switch response.typeURL {
      case TypeURL.cluster where !response.resources.isEmpty:
        request(TypeURL.endpoint, subscribe: response.resources.map(\.name))
      case TypeURL.endpoint:
        for resource in response.resources {
          if let number = resource.body.flatMap(Bystander.number(in:)) { bystander.received(number, of: resource.name) }
        }
      default: break
      }
      bystander.state.withLockedValue { _ = $0.types.insert(response.typeURL) }
    }

    func closed(_ reason: GRPCCloseReason) { closed(why: "\(reason.status)") }

    private func closed(why: String) { bystander.state.withLockedValue { $0.end = $0.end ?? why } }
  }
}
