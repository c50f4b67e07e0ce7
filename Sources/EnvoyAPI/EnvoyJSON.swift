internal import ProtobufC

/// Encoded resources as people read them.
public enum EnvoyJSON {
  /// The message as proto3 JSON (protobuf.dev, "ProtoJSON Format"): names in lowerCamelCase, enums by name, fields at their
  /// default left out, durations as `"1.500s"`, each `Any` expanded if its type is one of those under protos/xds, and given as
  /// base64 if not.
  ///
  /// - Parameter typeURL: the type of `bytes`, any message under protos/xds.
  /// - Throws: `ProtobufError`: an unknown type, or bytes that are no such message.
  /// - Complexity: linear in the bytes. Meant for people and tests, not for the push path.
  public static func render(typeURL: String, bytes: [UInt8]) throws -> String {
    let renderer = JSONRenderer(registry: MessageTypes.all)
    return try bytes.withUnsafeBytes { try renderer.render(typeURL: typeURL, bytes: $0) }
  }
}
