internal import EnvoyAPI
internal import XDSSnapshot

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

// Requests that are read where they lie. Two kinds come by the thousand: a proxy accepts, and a proxy names all that it holds
// or subscribes to, which other proxies have named as well. Neither is decoded, and no name becomes a text; whatever is not
// plainly one of these takes the usual way.
extension XDSStream {
  enum Scanned {
    /// To be decoded.
    case nothing
    case request(HeardRequest)
    /// There is a name in it that is longer than any may be.
    case tooLong
    /// Means the same with all that it unsubscribes from in vain left out.
    case lean([UInt8])
  }

  /// Shorter messages are decoded, or are acknowledgements.
  private static let manyBytes = 4096

  /// - Parameter goesElsewhere: another thread looks through what takes long here.
  func scan(_ message: UnsafeRawBufferPointer, goesElsewhere: Bool) -> Scanned {
    guard message.count >= Self.manyBytes else { return variant == .delta ? scanAcknowledgement(message) : .nothing }
    let scan = RequestScan(message, variant, mostUnsubscriptions: goesElsewhere ? Self.manyUnsubscriptions : .max)
    guard let scan, !scan.isCutShort else { return .nothing }
    guard !scan.hasTooLongName else { return .tooLong }
    guard !exceedsLimits(scan) else { return .nothing }
    if scan.unsubscriptionCount > Self.manyUnsubscriptions { return scanUnsubscriptions(scan) }
    return variant == .delta ? scanDelta(scan) : scanStateOfTheWorld(scan)
  }

  private static let manyUnsubscriptions = 256
  private static let namesBetweenPauses = 64

  private func scanUnsubscriptions(_ scan: RequestScan) -> Scanned {
    let (lean, leftOut) = Self.leavingOutVain(scan, session)
    noteVain(leftOut)
    // What is left has a meaning, and is decoded.
    return leftOut > 0 ? .lean(lean) : .nothing
  }

  /// A client may unsubscribe from what it has never subscribed to: that means nothing, and is to cost next to nothing.
  ///
  /// - Parameter nowAndThen: called each 64 names: less than a microsecond, or several where the client subscribes to something, for
  ///   then each name is looked for among those.
  static func leavingOutVain(
    _ scan: RequestScan, _ session: ProxySession?, nowAndThen: () -> Void = {}
  ) -> (lean: [UInt8], leftOut: Int) {
    // The services of one type need not be told which.
    let only = scan.typeURL?.isEmpty ?? true ? session?.scope.onlyType : nil
    let type = only ?? scan.typeURL.flatMap { ResourceType(typeURL: $0) }
    let names = type.flatMap { session?[$0].subscription.names.names } ?? []
    var count = 0
    return scan.leavingOutUnsubscriptions { name in
      count += 1
      if count.isMultiple(of: Self.namesBetweenPauses) { nowAndThen() }
      // The decoder is to see what is no plain text, and refuse it.
      guard name.allSatisfy({ (1..<0x80).contains($0) }), name.count != 1 || name[0] != UInt8(ascii: "*") else {
        return false
      }
      return names.isEmpty || !names.contains(String(decoding: name, as: UTF8.self))
    }
  }

  /// Takes note of how many names a client has unsubscribed from that it had never subscribed to. Who has lost its place on a
  /// stream opens a new one, and has nothing there to give back.
  func noteVain(_ count: Int) {
    guard count > Self.manyUnsubscriptions else { return }
    call.note(.costly)
    serveLater()
  }

  /// The request without what it unsubscribes from in vain, if that is much.
  static func lean(
    _ message: UnsafeRawBufferPointer, _ session: ProxySession?, nowAndThen: () -> Void = {}
  ) -> (lean: [UInt8], leftOut: Int)? {
    guard let scan = RequestScan(delta: message), scan.unsubscriptionCount > manyUnsubscriptions,
      scan.longestName <= XDSLimits.maximumNameLength
    else { return nil }
    nowAndThen()
    return leavingOutVain(scan, session, nowAndThen: nowAndThen)
  }

  private func scanAcknowledgement(_ message: UnsafeRawBufferPointer) -> Scanned {
    guard let ack = DeltaAcknowledgement(message), let nonce = Nonce(ack.nonce),
      let type = ResourceType(typeURL: ack.typeURL), covers(type),
      session?.acknowledged(nonce, of: type) ?? false
    else { return .nothing }
    return .request(HeardRequest(receipt: note(.ack, type), isAnswer: true))
  }

  private func covers(_ type: ResourceType) -> Bool {
    if case .only(let only) = scope { only == type } else { true }
  }

  /// The first request of a type.
  private func scanDelta(_ scan: RequestScan) -> Scanned {
    guard let names = knownNames(scan),
      let request = try? DeltaDiscoveryRequest(decoding: scan.rest), request.resourceNamesUnsubscribe.isEmpty,
      isIdentified || request.node != nil
    else { return .nothing }
    guard identify(request.node), let type = type(of: request.typeURL) else { return .request(HeardRequest()) }
    guard session?[type].isRequested == false else { return .nothing }
    var comparison: ClaimComparison?
    if scan.versionCount > 0 {
      guard let table = session?.table(type) else { return .nothing }
      let isWildcard = names.identity.count == 0
      guard !isWildcard || type.isFullState else { return .nothing }
      comparison = ClaimComparison(
        scan, type, with: server.shared.index(of: table), names: isWildcard ? nil : names, server.shared)
      if comparison == nil { return .nothing }
    }
    let receipt = note(session?.receivedFirst(names, comparison, for: type), type)
    settleNames(names, type)
    return .request(HeardRequest(receipt: receipt))
  }

  /// A request whose list of names is one that a stream has.
  private func scanStateOfTheWorld(_ scan: RequestScan) -> Scanned {
    guard scan.nameCount > 0, let names = knownNames(scan), let request = try? DiscoveryRequest(decoding: scan.rest),
      isIdentified || request.node != nil
    else { return .nothing }
    guard identify(request.node), let type = type(of: request.typeURL) else { return .request(HeardRequest()) }
    guard let heard = session?.heard(request, names: names, for: type) else { return .request(HeardRequest()) }
    settle(heard, type)
    return .request(heard)
  }

  private func exceedsLimits(_ scan: RequestScan) -> Bool {
    max(scan.nameCount, scan.versionCount, scan.unsubscriptionCount) > server.limits.maximumSubscription
  }

  /// The set of the request's names, if there is one. O(names), some 20 ns each, or 2 if the same list has just been seen.
  private func knownNames(_ scan: RequestScan) -> NameSet? {
    let list = scan.nameList.map { NameHash.of($0) }
    if let list, let known = server.shared.names.known(list: list) { return known }
    var identity = NameSet.Identity()
    _ = scan.forEachName { name in
      identity.add(NameHash.of(name))
      return true
    }
    let known = server.shared.names.known(identity)
    if let list, let known { server.shared.names.remember(known, as: list) }
    return known
  }
}

extension ResourceType {
  /// - Parameter bytes: of a type URL.
  fileprivate init?(typeURL bytes: UnsafeRawBufferPointer) {
    let type = Self.allCases.first { type in
      var url = type.typeURL
      return url.withUTF8 { $0.count == bytes.count && memcmp($0.baseAddress!, bytes.baseAddress!, bytes.count) == 0 }
    }
    guard let type else { return nil }
    self = type
  }
}

extension RequestScan {
  /// - Parameter mostUnsubscriptions: the scan ends when there are more.
  /// - Returns: nil for bytes that are no message.
  init?(_ message: UnsafeRawBufferPointer, _ variant: XDSProtocol, mostUnsubscriptions: Int = .max) {
    switch variant {
    case .stateOfTheWorld: self.init(stateOfTheWorld: message)
    case .delta: self.init(delta: message, mostUnsubscriptions: mostUnsubscriptions)
    }
  }

  var hasTooLongName: Bool {
    longestName > XDSLimits.maximumNameLength || longestVersion > XDSLimits.maximumNameLength * 2
  }
}
