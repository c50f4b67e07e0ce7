internal import TrafficModel

extension ObjectHeader {
  func decodePod(_ root: Field) -> Pod? {
    // Everything else in a pod's spec concerns its containers.
    let spec = root["spec"]
    if spec.isPresent, !spec.isMapping { spec.mismatch("a mapping") }
    return Pod(id: key.id, labels: labels, nodeName: spec["nodeName"].string().nonEmpty)
  }

  func decodeNode(_ root: Field) -> KubernetesNode {
    KubernetesNode(name: key.id.name, region: locality("region", root), zone: locality("zone", root))
  }

  /// A part of a node's place, by its label or the label's old name.
  private func locality(_ part: String, _ root: Field) -> String {
    for name in ["topology.kubernetes.io/\(part)", "failure-domain.beta.kubernetes.io/\(part)"] {
      guard let value = labels[name] else { continue }
      if Names.holdsControlCharacter(value) {
        root["metadata"]["labels"][name].error("must not hold control characters")
      }
      return value
    }
    return ""
  }
}

extension Field {
  var isMapping: Bool { if case .map = node?.value { true } else { false } }
}
