internal import XDSSnapshot

/// The classes of connected proxies, with how many streams each has, and who brought it.
struct ClassesInUse: Sendable {
  private struct Use {
    var streams: Int
    /// The address of the first stream of the class (`GRPCCall.clientNetwork`).
    var broughtBy: [UInt8]?
  }

  private var uses: [ProxyClass: Use] = [:]
  private var broughtBy: [[UInt8]: Int] = [:]

  enum Joining {
    case known
    case new
    case refused(String)
  }

  var count: Int { uses.count }

  /// - Parameter network: stands for the client; nil for a Unix socket, whose clients are not told apart.
  mutating func joined(_ proxyClass: ProxyClass, from network: [UInt8]?, _ limits: XDSLimits) -> Joining {
    if uses[proxyClass] != nil {
      uses[proxyClass]?.streams += 1
      return .known
    }
    guard uses.count < limits.maximumClasses else {
      return .refused(
        "proxies of \(limits.maximumClasses) kinds, namespaces and listen addresses are connected already")
    }
    if let network {
      let own = broughtBy[network, default: 0]
      guard uses.count < limits.freeClasses || own < limits.maximumClassesOfAddress else {
        return .refused(
          "proxies of \(own) kinds, namespaces and listen addresses are connected from one address, and the rest is for others"
        )
      }
      broughtBy[network, default: 0] += 1
    }
    uses[proxyClass] = Use(streams: 1, broughtBy: network)
    return .new
  }

  /// Whether that was the last stream of the class.
  mutating func left(_ proxyClass: ProxyClass) -> Bool {
    guard let use = uses[proxyClass] else { return false }
    guard use.streams == 1 else {
      uses[proxyClass]?.streams -= 1
      return false
    }
    uses[proxyClass] = nil
    if let network = use.broughtBy, let count = broughtBy[network] {
      broughtBy[network] = count > 1 ? count - 1 : nil
    }
    return true
  }
}
