import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// What a cluster is made from, and what says which endpoints it takes.
struct ClusterSpec: Equatable, Sendable {
  var service: NamespacedName
  var port: UInt16
  var portName: String
  /// Empty for the whole service.
  var subset: String
  var loadBalancing: Cluster.LoadBalancing
  var speaksHTTP2: Bool
}

extension ClusterSpec {
  /// The clusters of a service by name: for each port one of the whole service and one of each subset.
  static func all(
    of service: KubernetesService, policy: Box<HostPolicy>?, clusterDomain: String,
    _ emit: (String, Box<ClusterSpec>) -> Void
  ) {
    guard service.hasRegularName else { return }
    let fqdn = service.fullyQualifiedName(clusterDomain: clusterDomain)
    func emitCluster(_ port: ServicePort, subset: String, _ loadBalancer: LoadBalancer?) {
      emit(
        WireName.cluster(port: port.port, subset: subset, host: fqdn),
        Box(
          ClusterSpec(
            service: service.id, port: port.port, portName: port.name, subset: subset,
            loadBalancing: loadBalancer?.clusterPolicy ?? .leastRequest,
            speaksHTTP2: port.applicationProtocol == .http2)))
    }
    for port in service.distinctPorts {
      emitCluster(port, subset: "", policy?.content.loadBalancer)
      guard let policy = policy?.content else { continue }
      for index in policy.subsets.indices {
        emitCluster(
          port, subset: policy.subsets[index].name, policy.subsets[index].loadBalancer ?? policy.loadBalancer)
      }
    }
  }

  func resource(named name: String) -> Resource {
    let cluster = Cluster(name: name, loadBalancing: loadBalancing, speaksHTTP2: speaksHTTP2)
    return Resource(name: name, bytes: cluster.encoded())
  }
}
