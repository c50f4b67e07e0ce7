internal import Foundation
public import ReleaseNotifications

/// Who is told of releases, and who is asked before they go on.
public struct WebhooksConfiguration: Sendable, Hashable {
  public var webhooks: [WebhookConfiguration]
  /// How long until a gate is asked again.
  public var gateInterval: Duration

  public init(_ webhooks: [WebhookConfiguration] = [], gateInterval: Duration = .seconds(10)) {
    self.webhooks = webhooks
    self.gateInterval = gateInterval
  }

  /// Reads a file of JSON: `{"webhooks": [{"name": …, "url": …}, …]}`.
  ///
  /// - Throws: ``ControlPlaneError``, which names the file, and the field if there is one.
  public init(file: String, gateInterval: Duration = .seconds(10)) throws {
    do {
      let json = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
      self.init(
        try WebhookConfiguration.list(json: json, actions: ReleaseWebhooks.actions), gateInterval: gateInterval)
    } catch let error as WebhookConfigurationError {
      throw ControlPlaneError(code: .unusableWebhooks, message: "\(file): \(error)", cause: error)
    } catch {
      throw ControlPlaneError(
        code: .unusableWebhooks, message: "\(file) cannot be read: \(error.localizedDescription)", cause: error)
    }
  }
}
