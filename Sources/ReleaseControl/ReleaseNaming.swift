/// Something that is called by a release's names: its id, or its service.
public protocol ReleaseNaming {
  var id: String { get }
  /// The service's full host name.
  var serviceHost: String { get }
  var servicePort: UInt16? { get }
  var isInForce: Bool { get }
}

extension ReleaseNaming {
  /// The one that a name stands for: by its id (`reviews.shop-3`), or by its service (`reviews.shop`, or a longer form of it), which
  /// stands for the release in force, or else for the last one.
  ///
  /// - Parameter releases: in the order in which they were started.
  /// - Throws: ``ReleaseError``: `unknownRelease`; `invalid` if several of the service are in force, for several ports.
  public static func named(_ name: String, in releases: some Sequence<Self>) throws(ReleaseError) -> Self {
    let service = name.lowercased()
    var ofService: [Self] = []
    for release in releases {
      if release.id == name { return release }
      if release.serviceHost == service || release.serviceHost.hasPrefix(service + ".") { ofService.append(release) }
    }
    let inForce = ofService.filter(\.isInForce)
    guard inForce.count < 2 else {
      let ids = inForce.map { $0.id + ($0.servicePort.map { " (port \($0))" } ?? " (\($0.serviceHost))") }
      throw ReleaseError(
        .invalid, "\(name) has \(inForce.count) releases in force, name one: \(ids.joined(separator: ", "))")
    }
    guard !name.isEmpty, let release = inForce.first ?? ofService.last else {
      throw ReleaseError(.unknownRelease, "no release has the id or the service \(name)", release: name)
    }
    return release
  }
}

extension ReleaseStatus: ReleaseNaming {
  public var serviceHost: String { service }
  public var servicePort: UInt16? { port }
  public var isInForce: Bool { state.isInForce }
}
