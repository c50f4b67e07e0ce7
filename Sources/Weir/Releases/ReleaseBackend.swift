public import ReleaseControl
public import XDSServer

/// Whoever runs releases: the control plane in this process, or a server that is asked over HTTP. ``Releases`` reads the same
/// with both.
public protocol ReleaseBackend: ReleaseOperations {
  /// Returns when a release's generation is live on the proxies of a scope, or when the time is over.
  func live(_ generation: UInt64, of id: String, on scope: ProxyScope, within time: Duration) async throws -> LiveReport
}
