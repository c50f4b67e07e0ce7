internal import Foundation
internal import Logging
internal import NIOPosix
internal import ReleaseControl
internal import ReleaseNotifications
internal import ReleaseStores
internal import Telemetry

/// Who is told of releases and asked about them, as the controller sees it.
struct ReleaseWebhooks: Sendable {
  var roster: WebhookRoster
  var gates: ReleaseGates
  /// After a commit with notifications.
  var ring: @Sendable () -> Void = {}
  /// How long until a gate that has not passed is asked again, and one that is asked again and again.
  var interval = Duration.seconds(10)

  /// What can be told of.
  static let actions: Set<String> = Set(
    ["start", LedgerStatement.liveEverywhere, ReleaseController.spill, ReleaseController.unspill]
      + ReleaseControl.ReleaseEvent.Kind.allCases.filter { $0 != .live }.map(\.rawValue))

  /// Whether something is asked again and again while a release is under way.
  var checksOnTheWay: Bool { gates.isGuarded(.rollout) || gates.isGuarded(.rollback) }

  /// What has to be asked before a release goes from one place to another, in this order. Only the way forward is guarded.
  func gates(from release: Release, to outcome: Release) -> [Gate] {
    guard outcome.state.isInForce, outcome.state != .rolledBack else { return [] }
    var asked: [Gate] = []
    if !release.hasBegun, outcome.hasBegun { asked += [.confirmRollout, .preRollout] }
    if outcome.weight > release.weight || outcome.leadsToCandidate && !release.leadsToCandidate {
      if release.leadsToCandidate { asked.append(.rollout) }
      asked.append(.confirmTrafficIncrease)
      if outcome.weight == .all { asked.append(.confirmPromotion) }
    }
    return asked.filter { gates.isGuarded($0) }
  }
}

/// The webhooks of a running control plane: what delivers notifications, and what it delivers them with.
struct WebhookService: Sendable {
  let webhooks: ReleaseWebhooks
  private let transport: HTTPWebhookTransport
  private let delivering: Task<Void, Never>

  static func start(
    _ configuration: WebhooksConfiguration, store: any ReleaseStore, registry: MetricsRegistry, logger: Logger
  ) -> WebhookService {
    // Threads of their own: no webhook may take time from proxies.
    let transport = HTTPWebhookTransport(group: MultiThreadedEventLoopGroup.singleton)
    let dispatcher = WebhookDispatcher(
      webhooks: configuration.webhooks, store: store, transport: transport, logger: logger)
    for webhook in configuration.webhooks where !(webhook.gate?.isAsked ?? false) {
      func count(_ name: String, _ help: String, _ value: @escaping @Sendable (WebhookDispatcher.Status) -> Int) {
        registry.counter(name, help: help, labels: ["webhook": webhook.name]) {
          Double(dispatcher.status[webhook.name].map(value) ?? 0)
        }
      }
      count("weir_webhook_delivered_total", "Notifications that a webhook took.", \.delivered)
      count("weir_webhook_failures_total", "Attempts to notify a webhook that failed.", \.failed)
      count("weir_webhook_abandoned_total", "Notifications that were given up.", \.abandoned)
    }
    return WebhookService(
      webhooks: ReleaseWebhooks(
        roster: WebhookRoster(configuration.webhooks),
        gates: ReleaseGates(webhooks: configuration.webhooks, transport: transport), ring: { dispatcher.ring() },
        interval: configuration.gateInterval),
      transport: transport, delivering: Task { await dispatcher.run() })
  }

  /// What is not delivered yet is delivered after the next start.
  func stop() async {
    delivering.cancel()
    await delivering.value
    try? await transport.close()
  }
}
