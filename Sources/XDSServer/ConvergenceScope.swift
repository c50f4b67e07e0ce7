public import XDSSnapshot

/// Which proxies a question is about.
public enum ProxyScope: Sendable, Hashable {
  case all
  /// The proxy of this node id.
  case node(String)
  /// The proxies whose node id matches: `*` stands for any characters, `?` for one.
  case nodes(matching: String)
  case namespace(String)
  /// The proxies of a kind, namespace and listen address, whatever form they take their resources in.
  case proxyClass(ProxyClass)

  /// O(1) but for a pattern, which costs O(pattern · node id) at worst.
  public func contains(nodeID: String, proxyClass: ProxyClass) -> Bool {
    switch self {
    case .all: true
    case .node(let id): nodeID == id
    case .nodes(let pattern): Self.matches(Array(nodeID.utf8), Array(pattern.utf8))
    case .namespace(let namespace): proxyClass.namespace == namespace
    case .proxyClass(let other):
      proxyClass.kind == other.kind && proxyClass.namespace == other.namespace
        && proxyClass.listenHost == other.listenHost && proxyClass.listenPort == other.listenPort
    }
  }

  private static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
    var (position, next) = (0, 0)
    // Where the last star was, and how much it stands for.
    var star: (pattern: Int, text: Int)?
    while position < text.count {
      if next < pattern.count, pattern[next] == UInt8(ascii: "*") {
        star = (next, position)
        next += 1
      } else if next < pattern.count, pattern[next] == UInt8(ascii: "?") || pattern[next] == text[position] {
        position += 1
        next += 1
      } else if let last = star {
        star = (last.pattern, last.text + 1)
        position = last.text + 1
        next = last.pattern + 1
      } else {
        return false
      }
    }
    return pattern[next...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}

/// As flags and query parameters write it: `all`, `node:ID`, `nodes:PATTERN`, `namespace:NAME`, or
/// `class:KIND/NAMESPACE/HOST:PORT`.
extension ProxyScope: LosslessStringConvertible {
  public init?(_ text: String) {
    if text == "all" {
      self = .all
      return
    }
    // By scalars: a mark behind a colon or a slash would make one character of both.
    let scalars = text.unicodeScalars
    guard let colon = scalars.firstIndex(of: ":") else { return nil }
    let value = String(scalars[scalars.index(after: colon)...])
    guard !value.isEmpty else { return nil }
    switch String(scalars[..<colon]) {
    case "node": self = .node(value)
    case "nodes": self = .nodes(matching: value)
    case "namespace": self = .namespace(value)
    case "class":
      let parts = value.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
      guard parts.count == 3, let kind = ProxyClass.Kind(rawValue: parts[0]), !parts[1].isEmpty,
        let colon = parts[2].unicodeScalars.lastIndex(of: ":"),
        let port = UInt16(String(parts[2][colon...].unicodeScalars.dropFirst()))
      else { return nil }
      var host = Substring(parts[2].unicodeScalars[..<colon])
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      guard !host.isEmpty else { return nil }
      self = .proxyClass(
        ProxyClass(kind: kind, namespace: parts[1], listenHost: String(host), listenPort: port))
    default: return nil
    }
  }

  public var description: String {
    switch self {
    case .all: return "all"
    case .node(let id): return "node:\(id)"
    case .nodes(let pattern): return "nodes:\(pattern)"
    case .namespace(let name): return "namespace:\(name)"
    case .proxyClass(let proxyClass):
      let host = proxyClass.listenHost
      return "class:\(proxyClass.kind.rawValue)/\(proxyClass.namespace)/"
        + "\(host.contains(":") ? "[\(host)]" : host):\(proxyClass.listenPort)"
    }
  }
}
