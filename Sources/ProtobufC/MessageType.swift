internal import CProtobufC

/// The type of a message: libprotobuf-c's descriptor of it.
///
/// `@unchecked Sendable`: a descriptor is constant data of the generated C code, which nothing ever writes.
public struct MessageType: @unchecked Sendable {
  let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

  /// - Parameter descriptor: a `const ProtobufCMessageDescriptor *` of generated code.
  public init(descriptor: UnsafeRawPointer) {
    self.descriptor = descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
  }

  /// The type of the message that a generated `…__init` function initialises.
  public init<Message>(initialisedBy initialise: (UnsafeMutablePointer<Message>?) -> Void) {
    self = withUnsafeTemporaryAllocation(of: Message.self, capacity: 1) { memory in
      initialise(memory.baseAddress)
      return MessageType(ofMessage: UnsafeRawPointer(memory.baseAddress!))
    }
  }

  /// The type of an initialised message.
  public init(ofMessage message: UnsafeRawPointer) {
    descriptor = message.assumingMemoryBound(to: ProtobufCMessage.self).pointee.descriptor
  }

  /// The full name, such as `envoy.config.cluster.v3.Cluster`.
  public var name: String { String(cString: descriptor.pointee.name) }
}

/// The message types that can be looked up by name, as an `Any` needs.
public struct MessageRegistry: Sendable {
  private let types: [String: MessageType]

  public init(_ types: some Sequence<MessageType>) {
    self.types = Dictionary(types.map { ($0.name, $0) }) { first, _ in first }
  }

  /// - Parameter typeURL: what follows the last slash is the message's full name (google/protobuf/any.proto).
  public func type(for typeURL: some StringProtocol) -> MessageType? {
    guard let slash = typeURL.lastIndex(of: "/") else { return nil }
    return types[String(typeURL[typeURL.index(after: slash)...])]
  }

  /// The full names, sorted.
  public var names: [String] { types.keys.sorted() }
}
