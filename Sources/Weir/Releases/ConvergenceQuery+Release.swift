internal import ReleaseControl
internal import XDSServer

extension ConvergenceQuery {
  /// When a generation's part of a release is live: what else a proxy lacks, or has refused long ago, is no matter of it.
  init(_ generation: UInt64, of release: Release, clusterDomain: String, scope: ProxyScope = .all) {
    let suffix = "|\(release.service.name).\(release.service.namespace).svc.\(clusterDomain)"
    self.init(generation: generation, scope: scope, concerns: { $0.hasSuffix(suffix) })
  }
}
