public import EnvoyAPI
public import XDSSnapshot

/// Decides from a node's metadata which class of proxies it belongs to.
public enum ProxyClassifier {
  public struct Classification: Sendable, Hashable {
    public var proxyClass: ProxyClass
    /// One sentence for each value that was not usable, so that a default stands in its place; for the log and the status.
    public var notes: [String]

    public init(proxyClass: ProxyClass, notes: [String] = []) {
      self.proxyClass = proxyClass
      self.notes = notes
    }
  }

  /// A node without Weir's keys is a sidecar in `default` that listens on 127.0.0.1:15001; a value that makes no sense
  /// counts as absent, with a note. Never fails: a proxy with odd metadata still gets its routes.
  public static func classify(_ metadata: [String: MetadataValue]) -> Classification {
    var notes: [String] = []
    let kind = value(NodeMetadata.kind, of: metadata, default: ProxyClass.Kind.sidecar, &notes) { text in
      guard let kind = ProxyClass.Kind(rawValue: text) else { throw Unusable("\(quoted(text)) is no kind of proxy") }
      return kind
    }
    let namespace = value(NodeMetadata.namespace, of: metadata, default: NodeMetadata.defaultNamespace, &notes) {
      guard NodeMetadata.isNamespace($0) else { throw Unusable("\(quoted($0)) is not the name of a namespace") }
      return $0
    }
    let listen = value(NodeMetadata.listen, of: metadata, default: NodeMetadata.defaultListen, &notes) { text in
      // The parser reads characters, backwards too, which of some texts takes a time that grows with the square of them.
      guard text.utf8.count <= longestAddress else { throw Unusable("\(quoted(text)) is not HOST:PORT") }
      let address: HostPort
      do {
        address = try HostPort(text)
      } catch {
        // The parser's own words repeat the text, whose length the client chooses.
        throw Unusable("\(quoted(text)) is not HOST:PORT")
      }
      guard address.isIPAddress else { throw Unusable("\(quoted(text)) does not name an IP address") }
      return address
    }
    return Classification(
      proxyClass: ProxyClass(kind: kind, namespace: namespace, listenHost: listen.host, listenPort: listen.port),
      notes: notes)
  }

  /// Whether a node can take virtual hosts and endpoints one by one, by what it says it is: an Envoy no older than the one that
  /// was measured. Whatever else there is gets them in its route table and its assignments, which every client understands.
  public static func takesPortions(_ node: NodeIdentity) -> Bool {
    guard node.userAgentName == "envoy" else { return false }
    let version = node.userAgentVersion.utf8.prefix(64).split(separator: UInt8(ascii: ".")).prefix(2).map {
      Int(Substring($0))
    }
    guard version.count == 2, let major = version[0], let minor = version[1] else { return false }
    return (major, minor) >= (1, 40)
  }

  /// Whether a node that can is to get its clusters when it needs them: as it says, else the default.
  public static func fetchesClusters(_ node: NodeIdentity, default isDefault: Bool) -> Bool {
    guard takesPortions(node) else { return false }
    switch node.metadata[NodeMetadata.onDemand] {
    case .string("true"), .bool(true): return true
    case .string("false"), .bool(false): return false
    default: return isDefault
    }
  }

  /// Bytes of an IP address with a port, and some to spare.
  private static let longestAddress = 128

  private struct Unusable: Error {
    var reason: String
    init(_ reason: String) { self.reason = reason }
  }

  private static func value<Value>(
    _ key: String, of metadata: [String: MetadataValue], default fallback: Value, _ notes: inout [String],
    read: (String) throws -> Value
  ) -> Value {
    guard let written = metadata[key] else { return fallback }
    do {
      guard case .string(let text) = written else { throw Unusable("it is not a string") }
      return try read(text)
    } catch {
      let reason = (error as? Unusable)?.reason ?? "\(error)"
      notes.append("\(key) is ignored, \(fallback) stands in its place: \(reason)")
      return fallback
    }
  }

  private static func quoted(_ text: String) -> String {
    let longest = 80
    guard text.utf8.count > longest else { return "\"\(text)\"" }
    return "\"\(String(decoding: text.utf8.prefix(longest), as: UTF8.self))…\""
  }
}
