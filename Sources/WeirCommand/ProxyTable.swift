import AdminServer
import Foundation

/// The table of `weir proxies`: a line for each proxy and type, and below a proxy what is wrong with it.
struct ProxyTable {
  var proxies: [ProxyReport]
  var now: Date

  private static let header = [
    "NODE", "NAMESPACE", "PROTOCOL", "ADDRESS", "UP", "TYPE", "NAMES", "HELD", "SENT", "LAG", "STATE",
  ]

  var text: String {
    guard !proxies.isEmpty else { return "no proxies are connected\n" }
    var lines: [TextTable.Line] = []
    for proxy in proxies.sorted(by: { ($0.nodeID, $0.remoteAddress) < ($1.nodeID, $1.remoteAddress) }) {
      lines += self.lines(of: proxy)
    }
    return TextTable(header: Self.header, lines: lines).text
  }

  private func lines(of proxy: ProxyReport) -> [TextTable.Line] {
    var who = [
      proxy.nodeID, proxy.namespace, proxy.protocol.rawValue, proxy.remoteAddress,
      TimeText.interval(now.timeIntervalSince(proxy.connectedSince)),
    ].map(TextTable.printable)
    var lines: [TextTable.Line] = []
    for type in proxy.types {
      let names = type.wildcard ? (type.subscribed > 0 ? "*+\(type.subscribed)" : "*") : "\(type.subscribed)"
      lines.append(
        .cells(
          who + [
            type.type.rawValue, names, Self.version(type.heldVersion), Self.version(type.sentVersion), "\(type.lag)",
            Self.state(of: type),
          ]))
      who = ["", "", "", "", ""]
    }
    if proxy.types.isEmpty { lines.append(.cells(who + ["-", "0", "-", "-", "0", "has asked for nothing"])) }
    for type in proxy.types {
      if let nack = type.lastNack {
        let at = nack.at.formatted(Date.ISO8601FormatStyle())
        let resources = nack.resources.isEmpty ? "" : " (in \(nack.resources.joined(separator: ", ")))"
        // What was refused stays listed; once something newer was accepted it is history.
        let when = Self.state(of: type) == "ok" ? "past NACK" : "NACK"
        lines.append(.note("\(when) \(type.type.rawValue) at \(at): \(nack.reason)\(resources)"))
      }
      for item in type.heldBack {
        lines.append(.note("held back \(type.type.rawValue) \(item.name): \(item.reason)"))
      }
    }
    return lines
  }

  private static func state(of type: TypeReport) -> String {
    if type.inFlight { return "waits for ACK" }
    if !type.heldBack.isEmpty { return "held back" }
    return type.lag == 0 ? "ok" : "behind"
  }

  /// Versions are hashes: their beginning is enough to compare by eye.
  private static func version(_ version: String?) -> String {
    version.map { TextTable.printable(String($0.prefix(12))) } ?? "-"
  }
}
