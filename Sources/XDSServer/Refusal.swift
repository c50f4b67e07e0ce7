public import XDSSnapshot

/// A resource that proxies have refused, with the content that it has now.
public struct Refusal: Sendable, Hashable {
  public var type: ResourceType
  public var resource: String
  /// What one of the proxies said.
  public var message: String
  /// How many streams do without it.
  public var proxies: Int
}

extension XDSServer {
  /// What is not served to some proxies because they refused it, by type and name. Visits every stream.
  public func refusals() async -> [Refusal] {
    var found: [ResourceType: [String: Refusal]] = [:]
    for proxy in await proxies() {
      for status in proxy.types {
        for item in status.held where item.reason == .refused && item.part == nil {
          let message = status.rejection?.message ?? ""
          found[status.type, default: [:]][
            item.resource,
            default: Refusal(type: status.type, resource: item.resource, message: message, proxies: 0)
          ].proxies += 1
        }
      }
    }
    return ResourceType.allCases.flatMap { type in
      found[type, default: [:]].values.sorted { $0.resource < $1.resource }
    }
  }
}
