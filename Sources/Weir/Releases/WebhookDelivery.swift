internal import Logging
internal import NIOPosix
internal import ReleaseNotifications
internal import ReleaseStores
internal import Telemetry

/// Webhooks at work: what asks them, and what delivers to them.
struct WebhookDelivery: Sendable {
  let releases: ReleaseWebhooks
  private let dispatcher: WebhookDispatcher
  private let transport: HTTPWebhookTransport

  /// - Throws: ``ControlPlaneError`` if one of them is wrong.
  init(
    _ webhooks: [WebhookConfiguration], store: any ReleaseStore, registry: MetricsRegistry, logger: Logger
  ) throws {
    do {
      try WebhookConfiguration.check(webhooks, actions: ReleaseWebhooks.actions)
    } catch {
      throw ControlPlaneError(code: .unusableWebhooks, message: "\(error)", cause: error)
    }
    // Not on the proxies' loops: a handshake with somebody else's server is nothing that a push should wait for.
    let transport = HTTPWebhookTransport(group: MultiThreadedEventLoopGroup.singleton)
    let dispatcher = WebhookDispatcher(webhooks: webhooks, store: store, transport: transport, logger: logger)
    self.transport = transport
    self.dispatcher = dispatcher
    releases = ReleaseWebhooks(
      roster: WebhookRoster(webhooks), gates: ReleaseGates(webhooks: webhooks, transport: transport),
      ring: { dispatcher.ring() })
    for webhook in webhooks where !(webhook.gate?.isAsked ?? false) {
      func count(_ name: String, _ help: String, _ value: @escaping @Sendable (WebhookDispatcher.Status) -> Int) {
        registry.counter(name, help: help, labels: ["webhook": webhook.name]) {
          Double(dispatcher.status[webhook.name].map(value) ?? 0)
        }
      }
      count("weir_webhook_delivered_total", "Notifications that a webhook took.", \.delivered)
      count("weir_webhook_failures_total", "Attempts to notify a webhook that failed.", \.failed)
      count("weir_webhook_abandoned_total", "Notifications that were given up.", \.abandoned)
    }
  }

  /// Delivers until the task is cancelled. To be called once.
  func run() async {
    await dispatcher.run()
    await close()
  }

  /// A second time it does nothing.
  func close() async { try? await transport.close() }
}
