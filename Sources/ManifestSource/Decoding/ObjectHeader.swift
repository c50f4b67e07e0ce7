internal import TrafficModel

/// What a document says it is: `apiVersion`, `kind`, `metadata`.
struct ObjectHeader {
  enum Outcome {
    case object(ObjectHeader)
    /// `kind: List`, or a typed list (`ServiceList`).
    case list
    /// Another kind, reported with a warning: nothing of it is served.
    case unsupported
    /// Nothing can be said of which object this is; reported with an error.
    case unreadable
  }

  var key: ObjectKey
  /// The part of `apiVersion` after the slash: `v1beta1`.
  var version: String
  var labels: [String: String]

  static func read(_ root: Field) -> Outcome {
    guard case .map = root.node?.value else {
      root.mismatch("a mapping")
      return .unreadable
    }
    let api = root["apiVersion"].requiredString()
    guard let kind = root["kind"].requiredString(), let api else { return .unreadable }
    let slash = api.utf8.lastIndex(of: UInt8(ascii: "/"))
    let group = slash.map { String(api[..<$0]) } ?? ""
    let version = String(slash.map { api[api.index(after: $0)...] } ?? api[...])
    if kind.hasSuffix("List"), case .list = root["items"].node?.value { return .list }
    if kind == "List", group.isEmpty { return .list }

    let metadata = root["metadata"]
    let writtenName = if case .string(let name) = metadata["name"].node?.value { name } else { "" }
    guard let known = knownKinds[group] else {
      root["kind"].warning("\(kind) \(writtenName) (\(api)) is not supported and has no effect")
      return .unsupported
    }
    guard let supported = ObjectKind(rawValue: kind), let versions = known.versions[supported] else {
      if known.others.contains(kind) {
        root["kind"].warning("\(kind) \(writtenName) (\(api)) is not supported and has no effect")
        return .unsupported
      }
      root["kind"].error("\(api) has no kind \"\(kind)\"")
      return .unreadable
    }

    guard case .map = metadata.node?.value else {
      metadata.mismatch("a mapping")
      return .unreadable
    }
    guard let name = metadata["name"].requiredString() else { return .unreadable }
    let isNameValid = usesLabelName(supported) ? Names.isLabel(name) : Names.isSubdomain(name)
    guard isNameValid else {
      metadata["name"].error("\"\(name)\" is not a valid name (lower-case letters, digits and `-`)")
      return .unreadable
    }
    var namespace = ""
    if supported.isNamespaced {
      let field = metadata["namespace"]
      let written = field.string()
      if field.isPresent, written == nil { return .unreadable }
      namespace = written.flatMap { $0.isEmpty ? nil : $0 } ?? "default"
      guard Names.isLabel(namespace) else {
        field.error("\"\(namespace)\" is not a valid name (lower-case letters, digits and `-`)")
        return .unreadable
      }
    }
    let key = ObjectKey(supported, NamespacedName(namespace: namespace, name: name))
    root.document.object = key
    if !versions.contains(version) {
      root["apiVersion"].error(
        "\(kind) is known in \(versions.map { group.isEmpty ? $0 : "\(group)/\($0)" }.joined(separator: ", ")), not in \(api)"
      )
    }
    return .object(ObjectHeader(key: key, version: version, labels: metadata["labels"].strings()))
  }

  /// Names that become one label of a DNS name.
  private static func usesLabelName(_ kind: ObjectKind) -> Bool { kind == .service || kind == .namespace }

  private struct Group {
    var versions: [ObjectKind: [String]]
    /// The group's other kinds. Any other name is a slip of the pen, not a choice.
    var others: Set<String>
  }

  private static let knownKinds: [String: Group] = [
    "": Group(
      versions: [.service: ["v1"], .pod: ["v1"], .node: ["v1"], .namespace: ["v1"]],
      others: [
        "Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange", "PersistentVolume",
        "PersistentVolumeClaim", "PodTemplate", "ReplicationController", "ResourceQuota", "Secret", "ServiceAccount",
      ]),
    "discovery.k8s.io": Group(versions: [.endpointSlice: ["v1", "v1beta1"]], others: []),
    "networking.istio.io": Group(
      versions: [.destinationRule: ["v1", "v1beta1", "v1alpha3"], .virtualService: ["v1", "v1beta1", "v1alpha3"]],
      others: ["EnvoyFilter", "Gateway", "ProxyConfig", "ServiceEntry", "Sidecar", "WorkloadEntry", "WorkloadGroup"]),
  ]
}
