import EnvoyAPI
import EnvoyBootstrap
import Foundation

/// A bootstrap, read back by a parser that knows nothing of how it was written.
struct Document {
  struct WrongShape: Error { var path: String }

  let root: Any

  init(_ bootstrap: SidecarBootstrap) throws {
    root = try JSONSerialization.jsonObject(with: Data(bootstrap.json().utf8))
  }

  /// The value at a path such as `static_resources.clusters.0.name`.
  subscript(path: String) -> Any? {
    path.split(separator: ".").reduce(root as Any?) { value, step in
      if let index = Int(step) { return (value as? [Any]).flatMap { index < $0.count ? $0[index] : nil } }
      return (value as? [String: Any])?[String(step)]
    }
  }

  func text(_ path: String) -> String? { self[path] as? String }

  func metadata() throws -> [String: MetadataValue] {
    guard case .object(let metadata) = try Self.value(self["node.metadata"]) else {
      throw WrongShape(path: "node.metadata")
    }
    return metadata
  }

  private static func value(_ any: Any?) throws -> MetadataValue {
    switch any {
    case let text as String: .string(text)
    case let members as [String: Any]: .object(try members.mapValues { try value($0) })
    default: throw WrongShape(path: "node.metadata")
    }
  }
}
