import TrafficModel

/// What an edit tells each of the two graphs.
extension TrafficCompiler {
  func apply(_ edit: Edit) {
    let prepared = PreparedEdit(edit, &labels) { graph.slices[$0] }
    applyToClusters(edit, prepared)
    applyToRoutes(edit, prepared)
  }

  /// Tells the graph of clusters and endpoints.
  func applyToClusters(_ edit: Edit, _ prepared: PreparedEdit) {
    switch (edit, prepared) {
    case (_, .pod(let id, let facts)): graph.pods.set(facts, for: id)
    case (.upsert(.endpointSlice(let object)), .slice(let facts)): graph.slices.set(facts, for: object.id)
    case (_, .service(let service)): graph.services.set(service, for: service.content.id)
    case (_, .rule(let rule)): graph.destinationRules.set(rule, for: rule.content.id)
    case (.upsert(.node(let object)), _): graph.nodes.set(NodeFacts(object), for: object.name)
    case (.upsert, _): break  // A VirtualService, or a namespace, which nothing that is served reads yet.
    case (.delete(let key), _):
      switch key.kind {
      case .service: graph.services.set(nil, for: key.id)
      case .endpointSlice: graph.slices.set(nil, for: key.id)
      case .pod: graph.pods.set(nil, for: key.id)
      case .node: graph.nodes.set(nil, for: key.id.name)
      case .destinationRule: graph.destinationRules.set(nil, for: key.id)
      case .virtualService, .namespace: break
      }
    }
  }

  /// Tells the graph of routes and listeners.
  func applyToRoutes(_ edit: Edit, _ prepared: PreparedEdit) {
    switch (edit, prepared) {
    case (_, .service(let service)): mirror(service, service.content.id)
    case (_, .routes(let routes)): graph.virtualServices.set(routes, for: routes.content.id)
    case (.upsert, _): break
    case (.delete(let key), _):
      switch key.kind {
      case .service: mirror(nil, key.id)
      case .virtualService: graph.virtualServices.set(nil, for: key.id)
      default: break
      }
    }
  }

  private func mirror(_ service: Box<KubernetesService>?, _ id: NamespacedName) {
    graph.routedServices.mirror(service, for: id, because: graph.services.event(thatChanged: id))
  }
}
