/// The keys of a node's metadata that Weir writes into a bootstrap and reads from a proxy's first request.
public enum NodeMetadata {
  /// Istio's key for the proxy's namespace: a string.
  public static let namespace = "NAMESPACE"
  /// Istio's key for the labels of the proxy's workload: an object of strings.
  public static let labels = "LABELS"
  /// What the proxy is for: `sidecar`.
  public static let kind = "WEIR_KIND"
  /// Where the outbound HTTP listener listens: `HOST:PORT` with an IP literal.
  public static let listen = "WEIR_LISTEN"

  /// Whether the proxy gets its clusters when it needs them: `true` or `false`.
  public static let onDemand = "WEIR_ON_DEMAND"

  /// What a node without the keys is.
  public static let defaultNamespace = "default"
  public static let defaultListen = HostPort(host: "127.0.0.1", port: 15001)

  /// A namespace is a DNS label (RFC 1123): lower-case letters, digits and inner hyphens, at most 63.
  public static func isNamespace(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...63).contains(bytes.count), bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else {
      return false
    }
    return bytes.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
      default: false
      }
    }
  }
}
