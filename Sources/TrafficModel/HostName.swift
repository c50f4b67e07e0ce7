/// Istio's host names.
public enum HostName {
  /// The full name of a host as written in an object of a namespace: a name without a dot is a service of that namespace;
  /// `name.ns` and `name.ns.svc` are taken as written, for Istio expands short names only; anything else stays.
  ///
  /// Weir is more lenient in one thing: a host that names `name.ns` or `name.ns.svc` of an existing service means that
  /// service; whoever knows the services asks `serviceForms`.
  public static func resolve(_ host: String, namespace: String, clusterDomain: String) -> String {
    if host == "*" || host.contains(".") { return host }
    return "\(host).\(namespace).svc.\(clusterDomain)"
  }

  /// The service that a full name names: `reviews.shop.svc.cluster.local`, `reviews.shop.svc` or `reviews.shop`.
  public static func service(_ host: String, clusterDomain: String) -> NamespacedName? {
    var rest = host[...]
    if rest.hasSuffix("." + clusterDomain) { rest = rest.dropLast(clusterDomain.count + 1) }
    if rest.hasSuffix(".svc") { rest = rest.dropLast(4) } else if rest.count != host.count { return nil }
    let labels = rest.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count == 2, !labels[0].isEmpty, !labels[1].isEmpty, labels[0] != "*" else { return nil }
    return NamespacedName(namespace: String(labels[1]), name: String(labels[0]))
  }
}
