internal import TrafficModel

extension ObjectHeader {
  func decodePod(_ root: Field) -> Pod? {
    // Everything else in a pod's spec concerns its containers.
    let spec = root["spec"]
    if spec.isPresent, !spec.isMapping { spec.mismatch("a mapping") }
    return Pod(id: key.id, labels: labels, nodeName: spec["nodeName"].string().nonEmpty)
  }

  func decodeNode() -> KubernetesNode {
    KubernetesNode(
      name: key.id.name,
      region: labels["topology.kubernetes.io/region"] ?? labels["failure-domain.beta.kubernetes.io/region"] ?? "",
      zone: labels["topology.kubernetes.io/zone"] ?? labels["failure-domain.beta.kubernetes.io/zone"] ?? "")
  }
}

extension Field {
  var isMapping: Bool { if case .map = node?.value { true } else { false } }
}
