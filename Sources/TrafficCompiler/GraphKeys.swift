import IncrementalGraph
import TrafficModel
import XDSSnapshot

// The keys of the graph's collections. Those of classes and addresses are few.

extension NamespacedName: SlotKey {
  /// As the name alone, after the namespace's.
  public func slotHash(seed: UInt64) -> UInt64 { name.slotHash(seed: namespace.slotHash(seed: seed)) }
}

extension SlicePart.Key: SlotKey {
  func slotHash(seed: UInt64) -> UInt64 {
    subset.slotHash(seed: portName.slotHash(seed: slice.slotHash(seed: seed)))
  }

  var eventName: String { "\(slice) port \"\(portName)\"" + (subset.isEmpty ? "" : " subset \(subset)") }
}

extension HostKey: SlotKey {
  func slotHash(seed: UInt64) -> UInt64 {
    switch self {
    case .service(let id): id.slotHash(seed: seed)
    case .name(let host): host.slotHash(seed: seed)
    case .wildcard(let suffix): suffix.slotHash(seed: ~seed)
    }
  }

  var eventName: String {
    switch self {
    case .service(let id): id.description
    case .name(let host): host
    case .wildcard(let suffix): suffix.isEmpty ? "*" : "*.\(suffix)"
    }
  }
}

extension HostClaim: SlotKey {
  func slotHash(seed: UInt64) -> UInt64 { claimant.slotHash(seed: host.slotHash(seed: seed)) }

  var eventName: String { "\(host.eventName) of \(claimant)" }
}

extension ProxyClass: SlotKey {}
extension ListenAddress: SlotKey {}
