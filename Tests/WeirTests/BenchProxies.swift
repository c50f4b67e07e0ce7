import EnvoyAPI
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import XDSSnapshot

@testable import XDSServer

/// Proxies of a test: each a stream of delta ADS over a socket, that subscribes as an Envoy does and accepts what comes, until it
/// is told not to.
final class BenchProxies: Sendable {
  let all: [BenchProxy]
  private let grpc: GRPCServer
  private let clients: [GRPCClient]

  /// Connects proxies of these names, and returns when each has its routes.
  init(_ nodes: [String], to server: XDSServer) async throws {
    let group = MultiThreadedEventLoopGroup.singleton
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    grpc = GRPCServer(group: group, configuration: GRPCServerConfiguration(), logger: logger) { server.accept($0) }
    guard !nodes.isEmpty else {
      (all, clients) = ([], [])
      return
    }
    let port = try await grpc.bind(to: .tcp(host: "127.0.0.1", port: 0)).port ?? 0
    var (proxies, clients): ([BenchProxy], [GRPCClient]) = ([], [])
    for node in nodes {
      let client = try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: group)
      clients.append(client)
      proxies.append(try await BenchProxy.open(node, client))
    }
    (all, self.clients) = (proxies, clients)
  }

  func stop() async {
    for client in clients { await client.close() }
    await grpc.shutdown(gracePeriod: .zero)
  }
}

final class BenchProxy: Sendable {
  private let state: NIOLoopBound<State>

  private init(_ state: NIOLoopBound<State>) { self.state = state }

  fileprivate static func open(_ node: String, _ client: GRPCClient) async throws -> BenchProxy {
    let (opened, routes) = await withCheckedContinuation {
      (ready: CheckedContinuation<(NIOLoopBound<State>, EventLoopFuture<Void>), Never>) in
      client.start(method: "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources") { call in
        let state = State(call, node)
        ready.resume(returning: (NIOLoopBound(state, eventLoop: call.eventLoop), state.routes.futureResult))
        return state
      }
    }
    opened.eventLoop.execute { opened.value.begin() }
    try await routes.get()
    return BenchProxy(opened)
  }

  /// Answers nothing from now on.
  func hold() async throws { try await onLoop { $0.isHolding = true } }

  /// Answers what has come meanwhile, and whatever comes.
  func goOn() async throws { try await onLoop { $0.goOn() } }

  /// Refuses every route from now on, with these words.
  func refuseRoutes(_ words: String) async throws { try await onLoop { $0.refusal = words } }

  private func onLoop(_ body: @escaping @Sendable (State) -> Void) async throws {
    let state = state
    try await state.eventLoop.submit { body(state.value) }.get()
  }

  /// Used on the call's event loop alone.
  fileprivate final class State: GRPCCallHandler {
    private struct Gone: Error {}
    private let call: GRPCCall
    private let node: String
    let routes: EventLoopPromise<Void>
    var isHolding = false
    var refusal: String?
    private var unanswered: [DeltaDiscoveryResponse] = []
    private var asked: Set<ResourceType> = []

    init(_ call: GRPCCall, _ node: String) {
      (self.call, self.node) = (call, node)
      routes = call.eventLoop.makePromise()
    }

    func begin() { send(.cluster) { $0.node = NodeIdentity(id: node) } }

    func goOn() {
      isHolding = false
      let responses = unanswered
      unanswered = []
      responses.forEach(answer)
    }

    func received(message: ByteBuffer) {
      guard let response = try? DeltaDiscoveryResponse(decoding: Array(message.readableBytesView)) else { return }
      if isHolding { unanswered.append(response) } else { answer(response) }
    }

    func closed(_ reason: GRPCCloseReason) { routes.fail(Gone()) }

    /// The endpoints of new clusters are asked for before these are accepted.
    private func answer(_ response: DeltaDiscoveryResponse) {
      guard let type = ResourceType(typeURL: response.typeURL) else { return }
      switch type {
      case .cluster:
        send(.endpoint) {
          $0.resourceNamesSubscribe = response.resources.map(\.name)
          $0.resourceNamesUnsubscribe = response.removedResources
        }
      case .listener where asked.insert(.route).inserted:
        send(.route) { $0.resourceNamesSubscribe = ["outbound"] }
      default: break
      }
      send(type) {
        $0.responseNonce = response.nonce
        if type == .route, let refusal { $0.errorDetail = ErrorDetail(code: 13, message: refusal) }
      }
      if type == .cluster, asked.insert(.listener).inserted { send(.listener) { _ in } }
      if type == .route { routes.succeed() }
    }

    private func send(_ type: ResourceType, _ fill: (inout DeltaDiscoveryRequest) -> Void) {
      var request = DeltaDiscoveryRequest()
      request.typeURL = type.typeURL
      fill(&request)
      call.send(ByteBuffer(bytes: request.encoded()))
    }
  }
}
