internal import EnvoyAPI
internal import GRPCTransport
internal import NIOCore
public import XDSSnapshot

/// The bytes of a response, made when first needed and shared by every stream that sends it.
struct EncodedPlan: Sendable {
  /// The last few messages as they go on the wire. They differ in the nonce at their end only.
  fileprivate var messages: [(nonce: Nonce, message: EncodedMessage)] = []
  fileprivate var bodyByteCount = 0
  fileprivate static let limit = 3

  /// The bytes held.
  var byteCount: Int { messages.reduce(0) { $0 + $1.message.buffer.readableBytes } }
}

extension ResponsePlan {
  /// The response as a framed gRPC message. Encodes it if no stream has sent it yet, else O(1); O(size) copied for a nonce
  /// that was not used lately.
  ///
  /// - Parameters:
  ///   - memory: what the bytes are charged to.
  ///   - onMessage: a message was made, from scratch or not; how many bytes are held now.
  /// - Returns: nil if the message would have to be made and there is no room for it.
  func framed(
    _ nonce: Nonce, memory: BufferAccount, onMessage: (_ isEncoding: Bool, _ byteCount: Int) -> Void
  ) -> EncodedMessage? {
    encoded.withLock { encoded in
      if let known = encoded.messages.first(where: { $0.nonce == nonce }) { return known.message }
      let isEncoding = encoded.messages.isEmpty
      guard memory.hasRoom(for: isEncoding ? estimatedByteCount : encoded.bodyByteCount) else { return nil }
      let trailer = DeltaResponseWriter.nonceField(nonce.text, variant)
      var buffer: ByteBuffer
      if let sibling = encoded.messages.first?.message.buffer {
        buffer = Self.frame(byteCount: encoded.bodyByteCount + trailer.count)
        let body = sibling.getSlice(
          at: sibling.readerIndex + GRPCFraming.prefixLength, length: encoded.bodyByteCount)
        if let body { buffer.writeImmutableBuffer(body) }
      } else {
        let body = encode()
        encoded.bodyByteCount = body.count
        buffer = Self.frame(byteCount: body.count + trailer.count)
        buffer.writeBytes(body)
      }
      buffer.writeBytes(trailer)
      if encoded.messages.count == EncodedPlan.limit { encoded.messages.removeFirst() }
      let message = EncodedMessage(buffer, memory: memory)
      encoded.messages.append((nonce, message))
      onMessage(isEncoding, encoded.byteCount)
      return message
    }
  }

  /// Forgets the bytes; they are made anew if a stream needs them.
  func dropEncoding() { encoded.withLock { $0 = EncodedPlan() } }

  private static func frame(byteCount: Int) -> ByteBuffer {
    var buffer = ByteBufferAllocator().buffer(capacity: GRPCFraming.prefixLength + byteCount)
    GRPCFraming.writePrefix(length: byteCount, into: &buffer)
    return buffer
  }

  /// About as many bytes as the message has, and not fewer. O(resources).
  private var estimatedByteCount: Int {
    resources.reduce(256) { $0 + $1.byteCount + $1.name.utf8.count + 160 }
      + removed.reduce(0) { $0 + $1.utf8.count + 8 }
  }

  /// Everything but the nonce.
  func encode() -> [UInt8] {
    let reserve = estimatedByteCount
    switch variant {
    case .delta:
      var writer = DeltaResponseWriter(typeURL: type.typeURL, systemVersion: version, reservingBytes: reserve)
      for resource in resources {
        writer.append(name: resource.name, version: resource.version, bodyByteCount: resource.byteCount) { bytes in
          resource.forEachChunk { bytes.append(contentsOf: $0) }
        }
      }
      for name in removed { writer.appendRemoved(name: name) }
      return writer.finish()
    case .stateOfTheWorld:
      var writer = StateOfTheWorldResponseWriter(
        versionInfo: version, typeURL: type.typeURL, reservingBytes: reserve)
      for resource in resources {
        writer.append(bodyByteCount: resource.byteCount) { bytes in
          resource.forEachChunk { bytes.append(contentsOf: $0) }
        }
      }
      return writer.finish()
    }
  }
}

extension DeltaResponseWriter {
  fileprivate static func nonceField(_ nonce: String, _ variant: XDSProtocol) -> [UInt8] {
    switch variant {
    case .delta: DeltaResponseWriter.nonceField(nonce)
    case .stateOfTheWorld: StateOfTheWorldResponseWriter.nonceField(nonce)
    }
  }
}

extension ResourceType {
  /// The type's URL in `type_url` (xDS protocol, "Resource types").
  public var typeURL: String {
    switch self {
    case .cluster: TypeURL.cluster
    case .endpoint: TypeURL.endpoint
    case .listener: TypeURL.listener
    case .route: TypeURL.route
    case .virtualHost: TypeURL.virtualHost
    case .loneEndpoint: TypeURL.lbEndpoint
    }
  }

  public init?(typeURL: String) {
    guard let type = ResourceType.allCases.first(where: { $0.typeURL == typeURL }) else { return nil }
    self = type
  }
}
