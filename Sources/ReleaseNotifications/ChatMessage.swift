/// An event in the words of a chat: a title, and a line for each thing that is known.
struct ChatMessage {
  /// WeCom takes 4,096 bytes of Markdown, and the others more.
  private static let sizeLimit = 4_000
  private static let textLimit = 1_000

  var title: String
  var lines: [(name: String, value: String)]

  /// What a person wrote must not mention everybody, or begin a line of its own.
  static let angleBrackets: [Character: String] = ["<": "‹", ">": "›"]
  /// Slack's own way.
  static let slackEscapes: [Character: String] = ["&": "&amp;", "<": "&lt;", ">": "&gt;"]

  init(_ event: ReleaseEvent, escapes: [Character: String] = angleBrackets) {
    func clean(_ text: String) -> String {
      text.prefix(Self.textLimit).map { character in
        if let escape = escapes[character] { return escape }
        return character.isNewline || character.unicodeScalars.allSatisfy { $0.value < 32 } ? " " : String(character)
      }.joined()
    }
    let release = event.release
    title = clean("\(release.host): \(event.action)")
    lines = [("Release", "\(release.strategy) from \(release.stable) to \(release.candidate), \(release.phase)")]
    if let to = event.toBasisPoints {
      let from = event.fromBasisPoints.map { "\(Self.percent($0)) → " } ?? ""
      lines.append(("Weight", from + Self.percent(to)))
    }
    lines.append(("Actor", event.actor))
    if !event.reason.isEmpty { lines.append(("Reason", event.reason)) }
    if !event.outcome.isEmpty { lines.append(("Outcome", event.outcome)) }
    if let generation = release.generation { lines.append(("Generation", "\(generation)")) }
    lines.append(("Time", event.at.description))
    lines = lines.map { ($0.name, clean($0.value)) }
  }

  /// Of WeCom and DingTalk: two line feeds, for DingTalk joins lines.
  var markdown: String {
    Self.limited("### \(title)\n\n" + lines.map { "> \($0.name): \($0.value)" }.joined(separator: "\n\n"))
  }

  var plain: String { Self.limited(([title] + lines.map { "\($0.name): \($0.value)" }).joined(separator: "\n")) }

  /// Of Slack.
  var mrkdwn: String {
    Self.limited((["*\(title)*"] + lines.map { "\($0.name): \($0.value)" }).joined(separator: "\n"))
  }

  private static func percent(_ basisPoints: UInt32) -> String {
    let digits = String(basisPoints % 100 + 100).dropFirst()
    let fraction = digits == "00" ? "" : "." + (digits.hasSuffix("0") ? digits.dropLast() : digits)
    return "\(basisPoints / 100)\(fraction) %"
  }

  /// Whole characters only.
  private static func limited(_ text: String) -> String {
    guard text.utf8.count > sizeLimit else { return text }
    var size = 0
    let kept = text.prefix { character in
      size += character.utf8.count
      return size <= sizeLimit - 3
    }
    return kept + "…"
  }
}
