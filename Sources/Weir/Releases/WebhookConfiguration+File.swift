internal import Foundation
public import ReleaseNotifications

extension WebhookConfiguration {
  /// Reads `{"webhooks": [{"name": …, "url": …}, …]}` from a file.
  ///
  /// - Throws: ``ControlPlaneError`` that names the file, and the field that is wrong.
  public static func read(file: String) throws -> [WebhookConfiguration] {
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: file))
    } catch {
      throw ControlPlaneError(
        code: .unusableWebhooks, message: "\(file) cannot be read: \(error.localizedDescription)", cause: error)
    }
    do {
      return try list(json: Array(data), actions: ReleaseWebhooks.actions)
    } catch {
      throw ControlPlaneError(code: .unusableWebhooks, message: "\(file): \(error)", cause: error)
    }
  }
}
