internal import Foundation

/// What is wrong with a list of webhooks.
public struct WebhookConfigurationError: Error, Hashable, CustomStringConvertible {
  /// As in `webhooks[1].url`.
  public var field: String
  public var message: String

  public var description: String { "\(field): \(message)" }
}

extension WebhookConfiguration {
  /// Reads `{"webhooks": [{"name": …, "url": …}, …]}`, and checks every one.
  ///
  /// - Parameter actions: those that there are events of; any if nil.
  public static func list(
    json: [UInt8], actions: Set<String>? = nil
  ) throws(WebhookConfigurationError) -> [WebhookConfiguration] {
    struct File: Decodable { var webhooks: [WebhookConfiguration] }
    let webhooks: [WebhookConfiguration]
    do {
      try rejectUnknownFields(try JSONSerialization.jsonObject(with: Data(json)))
      webhooks = try JSONDecoder().decode(File.self, from: Data(json)).webhooks
    } catch let error as DecodingError {
      throw explain(error)
    } catch let error as WebhookConfigurationError {
      throw error
    } catch {
      throw WebhookConfigurationError(field: "webhooks", message: "this is no JSON: \(error.localizedDescription)")
    }
    try check(webhooks, actions: actions)
    return webhooks
  }

  /// - Throws: for the first that is wrong.
  public static func check(
    _ webhooks: [WebhookConfiguration], actions: Set<String>? = nil
  ) throws(WebhookConfigurationError) {
    var names: [String: Int] = [:]
    for (index, webhook) in webhooks.enumerated() {
      if let complaint = webhook.complaint(actions: actions) {
        throw WebhookConfigurationError(field: "webhooks[\(index)].\(complaint.field)", message: complaint.message)
      }
      if let earlier = names.updateValue(index, forKey: webhook.name) {
        throw WebhookConfigurationError(
          field: "webhooks[\(index)].name", message: "webhooks[\(earlier)] is called \(webhook.name) already")
      }
    }
  }

  private func complaint(actions: Set<String>?) -> (field: String, message: String)? {
    if name.isEmpty { return ("name", "is empty") }
    if name.utf8.contains(where: { $0 < 32 || $0 == 127 }) { return ("name", "has a control character in it") }
    if let complaint = urlComplaint { return ("url", complaint) }
    switch kind {
    case .wecom, .slack:
      if secret != nil {
        return ("secret", "a webhook of kind \(kind.rawValue) has no signature: its key is in the url")
      }
    case .generic, .dingtalk, .feishu:
      if secret?.text.isEmpty == true { return ("secret", "is empty") }
    }
    if let gate, gate.isAsked {
      if kind != .generic { return ("gate", "\(kind.rawValue) cannot answer; a gate is of kind generic") }
      if !events.isEmpty { return ("events", "a gate is asked at its point, and not told of events") }
    }
    if let actions, let unknown = events.first(where: { !actions.contains($0) }) {
      return ("events", "there is no \(unknown); there are \(actions.sorted().joined(separator: ", "))")
    }
    if !(timeout > 0 && timeout <= 300) { return ("timeout", "is in seconds, above 0 and up to 300; it is \(timeout)") }
    if !(0...100).contains(retries) { return ("retries", "is from 0 to 100; it is \(retries)") }
    if !(1...1_000).contains(failureThreshold) {
      return ("failureThreshold", "is from 1 to 1000; it is \(failureThreshold)")
    }
    return nil
  }

  private var urlComplaint: String? {
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(), parts.host?.isEmpty == false
    else { return "is no URL with a scheme and a host" }
    if scheme != "http" && scheme != "https" { return "is neither http nor https, but \(scheme)" }
    if parts.user != nil || parts.password != nil {
      return "has a user name or password in it, which would not be sent"
    }
    if parts.fragment != nil { return "has a fragment (#), which would not be sent" }
    if kind == .dingtalk, parts.queryItems?.contains(where: { ["timestamp", "sign"].contains($0.name) }) == true {
      return "has a timestamp or sign in it; they are made for each request, from the secret"
    }
    return nil
  }

  /// A misspelt field would be a default that nobody asked for.
  private static func rejectUnknownFields(_ json: Any) throws(WebhookConfigurationError) {
    guard let file = json as? [String: Any] else { return }
    if let unknown = file.keys.sorted().first(where: { $0 != "webhooks" }) {
      throw WebhookConfigurationError(field: unknown, message: "there is no such field; there is webhooks")
    }
    let known = CodingKeys.allCases.map(\.rawValue)
    for (index, webhook) in (file["webhooks"] as? [Any] ?? []).enumerated() {
      guard let webhook = webhook as? [String: Any],
        let unknown = webhook.keys.sorted().first(where: { !known.contains($0) })
      else { continue }
      throw WebhookConfigurationError(
        field: "webhooks[\(index)].\(unknown)",
        message: "there is no such field; there are \(known.joined(separator: ", "))")
    }
  }

  private static func explain(_ error: DecodingError) -> WebhookConfigurationError {
    func field(_ path: [any CodingKey]) -> String {
      let text = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }.joined()
      return text.isEmpty ? "webhooks" : String(text.drop { $0 == "." })
    }
    switch error {
    case .keyNotFound(let key, let context):
      return WebhookConfigurationError(field: field(context.codingPath + [key]), message: "is missing")
    case .typeMismatch(let type, let context):
      return WebhookConfigurationError(field: field(context.codingPath), message: "is no \(type)")
    case .valueNotFound(_, let context):
      return WebhookConfigurationError(field: field(context.codingPath), message: "is null")
    case .dataCorrupted(let context):
      let known: [String]? =
        switch context.codingPath.last?.stringValue {
        case CodingKeys.kind.rawValue: WebhookKind.allCases.map(\.rawValue)
        case CodingKeys.gate.rawValue: Gate.allCases.map(\.rawValue)
        default: nil
        }
      return WebhookConfigurationError(
        field: field(context.codingPath),
        message: known.map { "there are \($0.joined(separator: ", "))" } ?? context.debugDescription)
    @unknown default: return WebhookConfigurationError(field: "webhooks", message: "\(error)")
    }
  }
}
