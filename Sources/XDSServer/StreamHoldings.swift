internal import GRPCTransport
internal import NIOCore
internal import XDSSnapshot

/// What the process holds because of one stream: what its client was sent and has not answered, what it subscribes to, what it
/// says that it has, and the stream itself. All of it is charged to what clients may make the process hold, and to the share
/// of the client's address. Confined to the stream's event loop.
struct StreamHoldings {
  /// About what a stream takes whose client has said who it is, beside what else is charged here; with its place in the transport
  /// and in the lists of streams.
  static let bytesPerStream = 6 << 10

  /// A type's last response: when it was sent, and its bytes until it is answered, so that they stay charged. And what of the
  /// type's names and claims the client's share has been charged with.
  private struct OfType {
    var sentAt = NIODeadline.uptimeNanoseconds(0)
    var message: EncodedMessage?
    var names: NameSet?
    var claims: HeldClaims?
    /// Bytes for claims that are this stream's alone.
    var claimBytes = 0
  }

  private let memory: BufferAccount
  private let share: ClientShare
  private var isOpen = false
  /// By `ResourceType.rawValue`.
  private var types = [OfType](repeating: OfType(), count: ResourceType.allCases.count)

  init(memory: BufferAccount, share: ClientShare) {
    self.memory = memory
    self.share = share
  }

  /// What a push to the stream, and its answer, will look at.
  func forEachPlace(_ body: (UnsafeRawPointer, Int) -> Void) {
    types.withUnsafeBytes { if let base = $0.baseAddress { body(base, $0.count) } }
  }

  func sentAt(_ type: ResourceType) -> NIODeadline { types[type.rawValue].sentAt }

  mutating func noteSent(_ type: ResourceType, at time: NIODeadline) { types[type.rawValue].sentAt = time }

  /// Claims of a type, if they are many.
  func claims(_ type: ResourceType) -> HeldClaims? {
    types[type.rawValue].claims.flatMap { $0.unknownCount > ProxySession.manyNames ? $0 : nil }
  }

  // MARK: What there may be no room for

  /// The client says who it is. Says which limit the stream is beyond, if any. O(1).
  mutating func open() -> XDSLimit? {
    guard memory.charge(Self.bytesPerStream, for: .streams) else { return .bufferMemory }
    guard share.hold(Self.bytesPerStream, .stream) else {
      memory.release(Self.bytesPerStream, for: .streams)
      return .clientMemory
    }
    isOpen = true
    return nil
  }

  /// Keeps a message that the client is sent in the place of the one before. False if its address holds too many.
  @discardableResult
  mutating func hold(_ message: EncodedMessage?, _ type: ResourceType) -> Bool {
    // The share is not looked at for what does not count: streams of all event loops have it.
    if let old = types[type.rawValue].message, !old.isNegligible { share.release(old) }
    types[type.rawValue].message = nil
    guard let message else { return true }
    guard message.isNegligible || share.hold(message) else { return false }
    types[type.rawValue].message = message
    return true
  }

  /// Takes the names of a type that the stream subscribes to now. Says which limit they are beyond, if any. O(1).
  mutating func hold(_ names: NameSet, _ type: ResourceType) -> XDSLimit? {
    let held = types[type.rawValue].names
    guard names !== held else { return nil }
    if names.byteCount > held?.byteCount ?? 0, !memory.hadRoom(for: names.byteCount, as: .names) {
      return .bufferMemory
    }
    if let held { share.release(held) }
    types[type.rawValue].names = nil
    if names.byteCount < ClientShare.negligible { return nil }
    guard share.hold(names) else { return .clientMemory }
    types[type.rawValue].names = names
    return nil
  }

  /// Takes what the client came with, as far as it is kept now. Says which limit it is beyond, if any. O(1).
  mutating func hold(_ claims: HeldClaims?, own byteCount: Int, _ type: ResourceType) -> XDSLimit? {
    let held = types[type.rawValue].claims
    if claims !== held {
      if let held { share.release(held) }
      types[type.rawValue].claims = nil
      if let claims {
        guard memory.hadRoom(for: claims.byteCount, as: .names) else { return .bufferMemory }
        guard share.hold(claims) else { return .clientMemory }
        types[type.rawValue].claims = claims
      }
    }
    let more = byteCount - types[type.rawValue].claimBytes
    if more < 0 {
      releaseOwn(-more, type)
    } else if more > 0 {
      guard memory.hasRoom(for: more, as: .names) else { return .bufferMemory }
      guard share.hold(more, .claims) else { return .clientMemory }
      memory.chargeAnyway(more, for: .names)
      types[type.rawValue].claimBytes += more
    }
    return nil
  }

  // MARK: The end

  /// Gives all of it back. What may be large is the caller's then, to be let go of where that holds up nobody.
  mutating func release() -> [any Sendable] {
    var remains: [any Sendable] = []
    for type in ResourceType.allCases {
      hold(nil, type)
      if let names = types[type.rawValue].names {
        share.release(names)
        remains.append(names)
        types[type.rawValue].names = nil
      }
      if let claims = types[type.rawValue].claims {
        share.release(claims)
        remains.append(claims)
        types[type.rawValue].claims = nil
      }
      releaseOwn(types[type.rawValue].claimBytes, type)
    }
    if isOpen {
      isOpen = false
      share.release(Self.bytesPerStream, .stream)
      memory.release(Self.bytesPerStream, for: .streams)
    }
    return remains
  }

  private mutating func releaseOwn(_ byteCount: Int, _ type: ResourceType) {
    if byteCount == 0 { return }
    share.release(byteCount, .claims)
    memory.release(byteCount, for: .names)
    types[type.rawValue].claimBytes -= byteCount
  }
}
