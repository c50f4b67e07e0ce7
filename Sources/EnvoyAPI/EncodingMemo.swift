internal import ProtobufC

/// What a thread keeps of earlier encodings, because the next message is likely to be much the same. Nothing but time depends on
/// it: whatever is not here is packed by libprotobuf-c.
final class EncodingMemo {
  /// What of a cluster is not its name.
  private struct ClusterKind: Equatable {
    var connectTimeout: Milliseconds
    var loadBalancing: Cluster.LoadBalancing
    var speaksHTTP2: Bool
  }

  private struct EndpointKind: Equatable {
    var port: UInt16
    var health: LbEndpoint.Health
  }

  private struct Place: Equatable {
    var region: String
    var zone: String
  }

  // Unchecked for the reason given in `Arena`: one thread, and no access lasts while anybody else's code runs, for to pack a
  // message asks nothing of the memo.
  @exclusivity(unchecked) private var clusters = Recent<ClusterKind, TextTemplates>()
  @exclusivity(unchecked) private var endpoints = Recent<EndpointKind, TextTemplates>()
  @exclusivity(unchecked) private var assignments = TextTemplates()
  @exclusivity(unchecked) private var localities = Recent<Place, [UInt8]>()
  @exclusivity(unchecked) private var weights: [[UInt8]?] = []

  /// The bytes of a cluster.
  func cluster(_ cluster: Cluster, pack: (Cluster) -> [UInt8]) -> [UInt8] {
    let kind = ClusterKind(
      connectTimeout: cluster.connectTimeout, loadBalancing: cluster.loadBalancing, speaksHTTP2: cluster.speaksHTTP2)
    return clusters.with(kind, TextTemplates()) { templates in
      templates.with(
        cluster.name,
        pack: { name in
          var other = cluster
          other.name = name
          return pack(other)
        }
      ) { template, name in template?.message(name) ?? pack(cluster) }
    }
  }

  /// The bytes of an assignment's name field.
  func assignmentHeader(_ name: String, pack: (String) -> [UInt8]) -> [UInt8] {
    assignments.with(name, pack: pack) { template, text in template?.message(text) ?? pack(name) }
  }

  /// Appends an endpoint's bytes.
  func append(_ endpoint: LbEndpoint, to bytes: inout [UInt8], pack: (LbEndpoint) -> [UInt8]) {
    endpoints.with(EndpointKind(port: endpoint.port, health: endpoint.health), TextTemplates()) { templates in
      templates.with(
        endpoint.address, pack: { pack(LbEndpoint(address: $0, port: endpoint.port, health: endpoint.health)) }
      ) { template, address in
        if let template { template.append(address, to: &bytes) } else { bytes += pack(endpoint) }
      }
    }
  }

  /// The bytes of a locality's place.
  func locality(region: String, zone: String, pack: () -> [UInt8]) -> [UInt8] {
    localities.with(Place(region: region, zone: zone), pack()) { $0 }
  }

  /// The bytes of a locality's weight.
  func weight(_ weight: Int, pack: () -> [UInt8]) -> [UInt8] {
    guard weight < 64 else { return pack() }
    while weights.count <= weight { weights.append(nil) }
    if let bytes = weights[weight] { return bytes }
    let bytes = pack()
    weights[weight] = bytes
    return bytes
  }
}

/// A few values by key, found by looking at all; the oldest goes when another comes.
private struct Recent<Key: Equatable, Value> {
  private static var kept: Int { 16 }
  private var entries: [(key: Key, value: Value)] = []
  private var oldest = 0

  mutating func with<Result>(
    _ key: Key, _ new: @autoclosure () -> Value, _ body: (inout Value) -> Result
  ) -> Result {
    if let index = entries.firstIndex(where: { $0.key == key }) { return body(&entries[index].value) }
    if entries.count < Self.kept {
      entries.append((key, new()))
      return body(&entries[entries.count - 1].value)
    }
    let index = oldest
    entries[index] = (key, new())
    oldest = (oldest + 1) % Self.kept
    return body(&entries[index].value)
  }
}

extension Arena {
  /// Lends the memo of the arena's thread.
  @inline(__always) func withMemo<Result>(_ body: (EncodingMemo) -> Result) -> Result {
    let attachment = attachment { Unmanaged.passRetained(EncodingMemo()).toOpaque() }
    // Nothing else is ever attached, and the arena keeps it.
    return Unmanaged<EncodingMemo>.fromOpaque(attachment)._withUnsafeGuaranteedRef(body)
  }
}
