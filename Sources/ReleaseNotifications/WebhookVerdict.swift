internal import Foundation

extension WebhookConfiguration {
  /// Why this answer is none of success, or nil if it is. Chat robots say 200 to everything, and what went wrong in the body.
  func complaint(about response: WebhookResponse) -> String? {
    guard response.isSuccess else { return "\(response.status)\(Self.words(response.body))" }
    let codes: [String] =
      switch kind {
      case .generic, .slack: []
      case .wecom, .dingtalk: ["errcode"]
      case .feishu: ["code", "StatusCode"]
      }
    guard !codes.isEmpty else { return nil }
    let json = (try? JSONSerialization.jsonObject(with: Data(response.body))) as? [String: Any]
    let code = codes.lazy.compactMap { json?[$0] as? Int }.first
    return code == 0 ? nil : "\(response.status), but not taken\(Self.words(response.body))"
  }

  /// The beginning of a body, on one line.
  private static func words(_ body: [UInt8]) -> String {
    let text = String(decoding: body.prefix(300), as: UTF8.self)
    let line = text.map { $0.isNewline || $0.unicodeScalars.allSatisfy { $0.value < 32 } ? " " : String($0) }.joined()
    return line.allSatisfy(\.isWhitespace) ? "" : ": " + line
  }
}
