internal import ReleaseControl
internal import XDSServer

extension ConvergenceQuery {
  /// When a generation's part of a release is live: what else a proxy lacks, or has refused long ago, is no matter of it.
  ///
  /// - Parameter scope: nil for the release's own.
  init(_ generation: UInt64, of release: Release, clusterDomain: String, scope: ProxyScope? = nil, atLeast: Int) {
    let suffix = "|\(release.service.name).\(release.service.namespace).svc.\(clusterDomain)"
    self.init(
      generation: generation, scope: scope ?? release.scope, concerns: { $0.hasSuffix(suffix) }, atLeast: atLeast)
  }
}

extension Release {
  /// The proxies on which its steps are to be live.
  var scope: ProxyScope { spec.liveOn.flatMap(ProxyScope.init) ?? .all }
}
