import TrafficModel

/// What an edit becomes before the graphs are told of it, made of the edit alone.
enum PreparedEdit {
  /// There is nothing to make: the edit itself says it all.
  case plain
  case service(Box<KubernetesService>)
  case slice(NamespacedName, Box<SliceFacts>)
  case pod(NamespacedName, PodFacts)
  case rule(Box<DestinationRule>)
  case routes(Box<VirtualService>)

  /// - Parameter former: what a slice said before; see `SliceFacts`.
  init(_ edit: Edit, _ labels: inout LabelLists, former: (NamespacedName) -> Box<SliceFacts>?) {
    switch edit {
    case .upsert(.service(let object)): self = .service(Box(object))
    case .upsert(.endpointSlice(let object)):
      self = .slice(object.id, Box(SliceFacts(object, former: former(object.id))))
    case .upsert(.pod(let object)):
      self = .pod(object.id, PodFacts(labels: labels.list(object.labels), nodeName: object.nodeName))
    case .upsert(.destinationRule(let object)): self = .rule(Box(object))
    case .upsert(.virtualService(let object)): self = .routes(Box(object))
    case .upsert(.node), .upsert(.namespace), .delete: self = .plain
    }
  }
}
