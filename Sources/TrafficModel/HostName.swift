/// Istio's host names.
public enum HostName {
  /// The full name of a host as written in an object of a namespace, in lower case, for case means nothing in a host: a
  /// name without a dot is a service of that namespace; anything else stays as it is, for Istio expands short names only.
  ///
  /// Weir is more lenient in one thing: `name.ns` and `name.ns.svc` mean that service, too; `service` reads all forms.
  ///
  /// - Parameter clusterDomain: in lower case.
  public static func resolve(_ host: String, namespace: String, clusterDomain: String) -> String {
    let host = lowercased(host)
    if host == "*" || host.utf8.contains(UInt8(ascii: ".")) { return host }
    return String(joining: host, ".", lowercased(namespace), ".svc.", clusterDomain)
  }

  /// The service that a host means, as written in an object of a namespace: what `service` says of the resolved name.
  public static func service(written host: String, namespace: String, clusterDomain: String) -> NamespacedName? {
    // A short name, as most are: there is no need to write the full name down and to take it apart again.
    if isLabel(host), isLabel(namespace) { return NamespacedName(namespace: namespace, name: host) }
    return service(resolve(host, namespace: namespace, clusterDomain: clusterDomain), clusterDomain: clusterDomain)
  }

  /// The service that a resolved name names: `reviews.shop.svc.cluster.local`, `reviews.shop.svc` or `reviews.shop`. Nil where it
  /// cannot be a service's name; whether the service exists is another question.
  public static func service(_ host: String, clusterDomain: String) -> NamespacedName? {
    var (host, clusterDomain) = (host, clusterDomain)
    return host.withUTF8 { host in clusterDomain.withUTF8 { service(host, clusterDomain: $0) } }
  }

  private typealias Text = UnsafeBufferPointer<UInt8>

  private static func service(_ host: Text, clusterDomain: Text) -> NamespacedName? {
    guard let firstDot = host.firstIndex(of: UInt8(ascii: ".")) else { return nil }
    let name = Text(rebasing: host[..<firstDot])
    var namespace = Text(rebasing: host[(firstDot + 1)...])
    if let secondDot = namespace.firstIndex(of: UInt8(ascii: ".")) {
      let suffix = Text(rebasing: namespace[(secondDot + 1)...])
      guard isSuffix(suffix, clusterDomain: clusterDomain) else { return nil }
      namespace = Text(rebasing: namespace[..<secondDot])
    }
    guard !name.isEmpty, !namespace.isEmpty, !isStar(name), !isStar(namespace) else { return nil }
    return NamespacedName(
      namespace: String(decoding: namespace, as: UTF8.self), name: String(decoding: name, as: UTF8.self))
  }

  /// Whether this is `svc` or `svc.DOMAIN`.
  private static func isSuffix(_ text: Text, clusterDomain: Text) -> Bool {
    guard text.count >= 3, text[0] == UInt8(ascii: "s"), text[1] == UInt8(ascii: "v"), text[2] == UInt8(ascii: "c")
    else { return false }
    return text.count == 3
      || text[3] == UInt8(ascii: ".") && Text(rebasing: text[4...]).elementsEqual(clusterDomain)
  }

  private static func isStar(_ text: Text) -> Bool { text.count == 1 && text[0] == UInt8(ascii: "*") }

  /// Whether the text is a name without a dot, in lower case, and not `*`.
  private static func isLabel(_ text: String) -> Bool {
    text.utf8.withContiguousStorageIfAvailable { text in
      !text.isEmpty && !isStar(text) && text.allSatisfy { isLowercase($0) && $0 != UInt8(ascii: ".") }
    } ?? false
  }

  private static func lowercased(_ text: String) -> String {
    let isAlready = text.utf8.withContiguousStorageIfAvailable { $0.allSatisfy(isLowercase) }
    return isAlready == true ? text : text.lowercased()
  }

  /// Whether it is ASCII, and no upper-case letter.
  private static func isLowercase(_ byte: UInt8) -> Bool {
    byte < 0x80 && !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }
}
