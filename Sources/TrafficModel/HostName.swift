/// Istio's host names.
public enum HostName {
  /// The full name of a host as written in an object of a namespace, in lower case, for case means nothing in a host: a
  /// name without a dot is a service of that namespace; anything else stays as it is, for Istio expands short names only.
  ///
  /// Weir is more lenient in one thing: `name.ns` and `name.ns.svc` mean that service, too; `service` reads all forms.
  public static func resolve(_ host: String, namespace: String, clusterDomain: String) -> String {
    let isLowercase = !host.utf8.contains { $0 >= 0x80 || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
    let host = isLowercase ? host : host.lowercased()
    if host == "*" || host.utf8.contains(UInt8(ascii: ".")) { return host }
    return "\(host).\(namespace).svc.\(clusterDomain)"
  }

  /// The service that a resolved name names: `reviews.shop.svc.cluster.local`, `reviews.shop.svc` or `reviews.shop`. Nil where it
  /// cannot be a service's name; whether the service exists is another question.
  public static func service(_ host: String, clusterDomain: String) -> NamespacedName? {
    let bytes = host.utf8
    guard let firstDot = bytes.firstIndex(of: UInt8(ascii: ".")) else { return nil }
    let name = bytes[..<firstDot]
    let afterName = bytes[bytes.index(after: firstDot)...]
    let namespace: Substring.UTF8View
    if let secondDot = afterName.firstIndex(of: UInt8(ascii: ".")) {
      namespace = afterName[..<secondDot]
      let suffix = afterName[afterName.index(after: secondDot)...]
      guard suffix.elementsEqual("svc".utf8) || suffix.elementsEqual("svc.\(clusterDomain)".utf8) else { return nil }
    } else {
      namespace = afterName
    }
    guard !name.isEmpty, !namespace.isEmpty, !name.elementsEqual("*".utf8), !namespace.elementsEqual("*".utf8) else {
      return nil
    }
    return NamespacedName(namespace: String(Substring(namespace)), name: String(Substring(name)))
  }
}
