internal import Foundation
internal import ReleaseStores

/// One request to a webhook.
public struct WebhookRequest: Sendable, Hashable {
  public var url: String
  /// With values of one line.
  public var headers: [String: String]
  public var body: [UInt8]

  public init(url: String, headers: [String: String], body: [UInt8]) {
    self.url = url
    self.headers = headers
    self.body = body
  }
}

extension WebhookConfiguration {
  /// What is sent for a notification.
  ///
  /// - Parameter now: signed; of this attempt.
  func request(for item: OutboxItem, now: Timestamp) throws -> WebhookRequest {
    let event = try ReleaseEvent(stored: item.body)
    switch kind {
    case .generic:
      return signed(WebhookJSON.encode(GenericPayload(event, item, metadata)), delivery: item.sequence, now: now)
    case .wecom:
      return json(url, WeComPayload(markdown: .init(content: ChatMessage(event).markdown)))
    case .dingtalk:
      let message = ChatMessage(event)
      return json(
        dingTalkURL(now), DingTalkPayload(markdown: .init(title: message.title, text: message.markdown)))
    case .feishu:
      var payload = FeishuPayload(content: .init(text: ChatMessage(event).plain))
      if let secret { (payload.timestamp, payload.sign) = WebhookSignature.feishu(secret: secret.text, at: now) }
      return json(url, payload)
    case .slack:
      return json(url, SlackPayload(text: ChatMessage(event, escapes: ChatMessage.slackEscapes).mrkdwn))
    }
  }

  /// What a gate is asked.
  func request(at gate: Gate, about release: ReleaseSnapshot, now: Timestamp) -> WebhookRequest {
    signed(WebhookJSON.encode(GatePayload(gate, release, metadata)), delivery: nil, now: now)
  }

  private func signed(_ body: [UInt8], delivery: UInt64?, now: Timestamp) -> WebhookRequest {
    var headers = ["Content-Type": "application/json", "User-Agent": "weir"]
    if let delivery { headers["Weir-Delivery"] = "\(delivery)" }
    if let secret {
      for header in WebhookSignature.headers(body, secret: secret.text, at: now) { headers[header.name] = header.value }
    }
    return WebhookRequest(url: url, headers: headers, body: body)
  }

  private func json(_ url: String, _ payload: some Encodable) -> WebhookRequest {
    let headers = ["Content-Type": "application/json; charset=utf-8", "User-Agent": "weir"]
    return WebhookRequest(url: url, headers: headers, body: WebhookJSON.encode(payload))
  }

  /// Base64 has characters that mean something else in a query.
  private func dingTalkURL(_ now: Timestamp) -> String {
    guard let secret else { return url }
    let (timestamp, sign) = WebhookSignature.dingTalk(secret: secret.text, at: now)
    let escaped = sign.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? sign
    return url + (url.contains("?") ? "&" : "?") + "timestamp=\(timestamp)&sign=\(escaped)"
  }
}

/// Kind `generic`, as in
///
///     {"action":"set-weight","actor":"ci","at":"…","delivery":12,"from_basis_points":500,"is_end":false,
///      "ledger":{"hash":"…","sequence":40},"metadata":{},"outcome":"accepted","reason":"","release":{…},
///      "to_basis_points":2500,"version":1}
///
/// A delivery that comes again has the same number. Who keeps the ledger's sequence and hash can tell later whether the
/// ledger was rewritten.
private struct GenericPayload: Encodable {
  var version = 1
  var delivery: UInt64
  var ledger: Ledger?
  var action: String
  var actor: String
  var reason: String
  var outcome: String
  var fromBasisPoints: UInt32?
  var toBasisPoints: UInt32?
  var at: Timestamp
  var release: ReleaseSnapshot
  var isEnd: Bool
  var metadata: [String: String]

  struct Ledger: Encodable {
    var sequence: UInt64
    var hash: String
  }

  init(_ event: ReleaseEvent, _ item: OutboxItem, _ metadata: [String: String]) {
    delivery = item.sequence
    ledger = item.entry.map { Ledger(sequence: $0.sequence, hash: $0.hash.description) }
    action = event.action
    actor = event.actor
    reason = event.reason
    outcome = event.outcome
    fromBasisPoints = event.fromBasisPoints
    toBasisPoints = event.toBasisPoints
    at = event.at
    release = event.release
    isEnd = event.isEnd
    self.metadata = metadata
  }
}

/// A question to a gate. `name`, `namespace`, `phase` and `metadata` are what Flagger sends, so that what answers Flagger
/// answers this, too.
private struct GatePayload: Encodable {
  var gate: String
  var name: String
  var namespace: String
  var phase: String
  var metadata: [String: String]
  var release: ReleaseSnapshot

  init(_ gate: Gate, _ release: ReleaseSnapshot, _ metadata: [String: String]) {
    self.gate = gate.rawValue
    name = release.name
    namespace = release.namespace
    phase = release.phase
    self.metadata = metadata
    self.release = release
  }
}

private struct WeComPayload: Encodable {
  struct Markdown: Encodable { var content: String }
  var msgtype = "markdown"
  var markdown: Markdown
}

private struct DingTalkPayload: Encodable {
  struct Markdown: Encodable {
    var title: String
    var text: String
  }
  var msgtype = "markdown"
  var markdown: Markdown
}

private struct FeishuPayload: Encodable {
  struct Content: Encodable { var text: String }
  var timestamp: String?
  var sign: String?
  var msgType = "text"
  var content: Content
}

private struct SlackPayload: Encodable { var text: String }
