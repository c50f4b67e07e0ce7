internal import ProtobufC

// The push path: a response is written from parts that are encoded already, once for all streams.
//
// Fields of a message may come in any order (protobuf.dev, "Encoding"), so the nonce, which alone differs from stream to
// stream, is written last and apart: the bytes of `finish` are shared, and each stream sends its own few bytes after them.

/// Writes an `envoy.service.discovery.v3.DeltaDiscoveryResponse`.
public struct DeltaResponseWriter: Sendable {
  // Field numbers of DeltaDiscoveryResponse and Resource; a test decodes what is written here with the real descriptors.
  private enum Field {
    static let systemVersionInfo: UInt32 = 1
    static let resources: UInt32 = 2
    static let typeURL: UInt32 = 4
    static let nonce: UInt32 = 5
    static let removedResources: UInt32 = 6
  }
  private enum ResourceField {
    static let version: UInt32 = 1
    static let resource: UInt32 = 2
    static let name: UInt32 = 3
  }

  private var bytes: [UInt8] = []
  private let body: AnyPrefix

  /// - Parameters:
  ///   - typeURL: the type of all resources in this response.
  ///   - systemVersion: for people who read logs; clients ignore it.
  ///   - reservingBytes: about how long the response will be.
  public init(typeURL: String, systemVersion: String, reservingBytes: Int) {
    body = AnyPrefix(typeURL: typeURL)
    bytes.reserveCapacity(reservingBytes)
    WireFormat.appendField(Field.systemVersionInfo, systemVersion, to: &bytes)
    WireFormat.appendField(Field.typeURL, typeURL, to: &bytes)
  }

  /// Appends one resource.
  ///
  /// - Parameters:
  ///   - bodyByteCount: the length of the encoded resource, all its fragments together.
  ///   - appendBody: appends exactly that many bytes, in as many parts as it likes.
  /// - Complexity: linear in the body; nothing is copied twice.
  public mutating func append(
    name: String, version: String, bodyByteCount: Int, appendBody: (inout [UInt8]) -> Void
  ) {
    let anyByteCount = body.byteCount(bodyByteCount: bodyByteCount)
    let byteCount =
      WireFormat.byteCountOfField(ResourceField.version, byteCount: version.utf8.count)
      + WireFormat.byteCountOfField(ResourceField.name, byteCount: name.utf8.count)
      + WireFormat.byteCountOfField(ResourceField.resource, byteCount: anyByteCount)
    WireFormat.appendLengthPrefix(field: Field.resources, byteCount: byteCount, to: &bytes)
    WireFormat.appendElement(ResourceField.version, version, to: &bytes)
    WireFormat.appendElement(ResourceField.name, name, to: &bytes)
    WireFormat.appendLengthPrefix(field: ResourceField.resource, byteCount: anyByteCount, to: &bytes)
    body.append(bodyByteCount: bodyByteCount, appendBody: appendBody, to: &bytes)
  }

  /// Appends the name of a resource that is gone.
  public mutating func appendRemoved(name: String) {
    WireFormat.appendElement(Field.removedResources, name, to: &bytes)
  }

  /// How many bytes are written so far.
  public var byteCount: Int { bytes.count }

  /// Everything but the nonce. The same calls give the same bytes.
  public consuming func finish() -> [UInt8] { bytes }

  /// The nonce, to be sent after the bytes of `finish`.
  public static func nonceField(_ nonce: String) -> [UInt8] {
    var bytes: [UInt8] = []
    WireFormat.appendField(Field.nonce, nonce, to: &bytes)
    return bytes
  }
}

/// Writes an `envoy.service.discovery.v3.DiscoveryResponse`.
public struct StateOfTheWorldResponseWriter: Sendable {
  private enum Field {
    static let versionInfo: UInt32 = 1
    static let resources: UInt32 = 2
    static let typeURL: UInt32 = 4
    static let nonce: UInt32 = 5
  }

  private var bytes: [UInt8] = []
  private let body: AnyPrefix

  /// - Parameters:
  ///   - versionInfo: the version of the whole set; the client repeats it in its ACK.
  ///   - typeURL: the type of all resources in this response.
  ///   - reservingBytes: about how long the response will be.
  public init(versionInfo: String, typeURL: String, reservingBytes: Int) {
    body = AnyPrefix(typeURL: typeURL)
    bytes.reserveCapacity(reservingBytes)
    WireFormat.appendField(Field.versionInfo, versionInfo, to: &bytes)
    WireFormat.appendField(Field.typeURL, typeURL, to: &bytes)
  }

  /// Appends one resource.
  ///
  /// - Parameters:
  ///   - bodyByteCount: the length of the encoded resource, all its fragments together.
  ///   - appendBody: appends exactly that many bytes, in as many parts as it likes.
  /// - Complexity: linear in the body; nothing is copied twice.
  public mutating func append(bodyByteCount: Int, appendBody: (inout [UInt8]) -> Void) {
    WireFormat.appendLengthPrefix(
      field: Field.resources, byteCount: body.byteCount(bodyByteCount: bodyByteCount), to: &bytes)
    body.append(bodyByteCount: bodyByteCount, appendBody: appendBody, to: &bytes)
  }

  /// How many bytes are written so far.
  public var byteCount: Int { bytes.count }

  /// Everything but the nonce. The same calls give the same bytes.
  public consuming func finish() -> [UInt8] { bytes }

  /// The nonce, to be sent after the bytes of `finish`.
  public static func nonceField(_ nonce: String) -> [UInt8] {
    var bytes: [UInt8] = []
    WireFormat.appendField(Field.nonce, nonce, to: &bytes)
    return bytes
  }
}

/// A `google.protobuf.Any` of a type that is known before its bodies are: the encoded `type_url`, kept for all of them.
private struct AnyPrefix: Sendable {
  private static let typeURLField: UInt32 = 1
  private static let valueField: UInt32 = 2

  private var typeURL: [UInt8] = []

  init(typeURL: String) {
    WireFormat.appendField(Self.typeURLField, typeURL, to: &self.typeURL)
  }

  func byteCount(bodyByteCount: Int) -> Int {
    typeURL.count + WireFormat.byteCountOfField(Self.valueField, byteCount: bodyByteCount)
  }

  func append(bodyByteCount: Int, appendBody: (inout [UInt8]) -> Void, to bytes: inout [UInt8]) {
    bytes.append(contentsOf: typeURL)
    WireFormat.appendLengthPrefix(field: Self.valueField, byteCount: bodyByteCount, to: &bytes)
    let start = bytes.count
    appendBody(&bytes)
    precondition(
      bytes.count - start == bodyByteCount,
      "a body of \(bytes.count - start) bytes was announced with \(bodyByteCount)")
  }
}
