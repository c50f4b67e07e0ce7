import TrafficModel

/// What an edit tells each of the two graphs.
extension TrafficCompiler {
  func apply(_ edit: Edit) {
    let prepared = PreparedEdit(edit, &labels) { graph.slices.value(toBeChanged: $0) }
    applyToClusters(edit, prepared)
    applyToRoutes(edit, prepared)
  }

  /// Tells the graph of clusters and endpoints. The edit itself is asked for only where nothing was made of it.
  func applyToClusters(_ edit: @autoclosure () -> Edit, _ prepared: PreparedEdit) {
    switch prepared {
    case .pod(let id, let facts): graph.pods.set(facts, for: id)
    case .slice(let id, let facts): graph.slices.set(facts, for: id)
    case .service(let service): graph.services.set(service, for: service.content.id)
    case .rule(let rule): graph.destinationRules.set(rule, for: rule.content.id)
    case .routes: break
    case .plain:
      switch edit() {
      case .upsert(.node(let object)): graph.nodes.set(NodeFacts(object), for: object.name)
      case .upsert: break  // A namespace, which nothing that is served reads yet.
      case .delete(let key):
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
  }

  /// Tells the graph of routes and listeners.
  func applyToRoutes(_ edit: @autoclosure () -> Edit, _ prepared: PreparedEdit) {
    switch prepared {
    case .service(let service): mirror(service, service.content.id)
    case .routes(let routes): graph.virtualServices.set(routes, for: routes.content.id)
    case .pod, .slice, .rule: break
    case .plain:
      guard case .delete(let key) = edit() else { return }
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
