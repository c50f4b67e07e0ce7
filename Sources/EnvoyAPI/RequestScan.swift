internal import ProtobufC

/// A discovery request whose long lists stay where they lie in the message.
///
/// A proxy that comes back names all that it holds, thousands of names that the server mostly knows; one that accepts says
/// next to nothing. Neither needs a decoder, and memory for each name. The scan is no check: who uses a name from it either
/// knows it already, or decodes the message after all.
public struct RequestScan {
  private let message: UnsafeRawBufferPointer
  private let fields: FieldNumbers

  private struct FieldNumbers {
    var names: UInt64
    /// 0 where there are none.
    var unsubscriptions: UInt64
    /// 0 where there are none.
    var versions: UInt64
    var nonce: UInt64
    var type: UInt64
  }

  /// The fields of one number.
  private struct List {
    var count = 0
    /// Bytes of the longest one.
    var longest = 0
    /// From the first to the last of them.
    var range = 0..<0
    /// There is nothing else between them.
    var isWhole = true

    /// - Parameters:
    ///   - longest: of these.
    ///   - part: where they lie, behind all that were added before.
    mutating func add(_ count: Int, longest: Int, at part: Range<Int>) {
      if count == 0 { return }
      if self.count > 0, part.lowerBound != range.upperBound { isWhole = false }
      range = (self.count > 0 ? range.lowerBound : part.lowerBound)..<part.upperBound
      self.count += count
      self.longest = max(self.longest, longest)
    }

    /// Adds those that follow one another from here on, as fast as it goes.
    mutating func addRun(of number: UInt64, _ reader: inout WireFields) {
      let start = reader.position
      var (count, longest) = (0, 0)
      _ = reader.passRun(of: number) {
        count += 1
        longest = max(longest, $0.count)
        return true
      }
      add(count, longest: longest, at: start..<reader.position)
    }
  }

  private var names = List()
  private var versions = List()
  private var longestUnsubscription = 0

  /// `resource_names`, or `resource_names_subscribe`.
  public var nameCount: Int { names.count }
  /// `initial_resource_versions` (delta).
  public var versionCount: Int { versions.count }
  /// `resource_names_unsubscribe` (delta).
  public private(set) var unsubscriptionCount = 0
  /// Bytes of the longest name that is subscribed to or unsubscribed from.
  public var longestName: Int { max(names.longest, longestUnsubscription) }
  /// Bytes of the longest entry of `initial_resource_versions`: name, version, and what keeps them apart.
  public var longestVersion: Int { versions.longest }
  /// `type_url` and `response_nonce`; the last one counts.
  public private(set) var typeURL: UnsafeRawBufferPointer?
  public private(set) var nonce: UnsafeRawBufferPointer?
  /// There is something else in the message.
  public private(set) var hasMore = false
  /// There are more unsubscriptions than were to be counted, and nothing was read after them.
  public private(set) var isCutShort = false

  /// - Parameter mostUnsubscriptions: the scan ends when there are more.
  /// - Returns: nil for bytes that are no message.
  public init?(delta message: UnsafeRawBufferPointer, mostUnsubscriptions: Int = .max) {
    self.init(
      message, FieldNumbers(names: 3, unsubscriptions: 4, versions: 5, nonce: 6, type: 2),
      mostUnsubscriptions: mostUnsubscriptions)
  }

  /// - Returns: nil for bytes that are no message.
  public init?(stateOfTheWorld message: UnsafeRawBufferPointer) {
    self.init(message, FieldNumbers(names: 3, unsubscriptions: 0, versions: 0, nonce: 5, type: 4))
  }

  private init?(_ message: UnsafeRawBufferPointer, _ fields: FieldNumbers, mostUnsubscriptions: Int = .max) {
    self.message = message
    self.fields = fields
    var reader = WireFields(message)
    while true {
      names.addRun(of: fields.names, &reader)
      versions.addRun(of: fields.versions, &reader)
      guard passUnsubscriptions(&reader, upTo: mostUnsubscriptions) else { return }
      let start = reader.position
      guard let field = reader.next() else { break }
      guard let payload = field.payload else { return nil }
      switch field.number {
      case fields.names:
        names.add(1, longest: payload.count, at: start..<reader.position)
      case fields.unsubscriptions:
        guard addUnsubscription(payload, upTo: mostUnsubscriptions) else { return }
      case fields.versions:
        versions.add(1, longest: payload.count, at: start..<reader.position)
      case fields.nonce: nonce = payload
      case fields.type: typeURL = payload
      default: hasMore = true
      }
    }
    if reader.isMalformed { return nil }
  }

  /// False if that is one too many.
  private mutating func addUnsubscription(_ name: UnsafeRawBufferPointer, upTo most: Int) -> Bool {
    unsubscriptionCount += 1
    longestUnsubscription = max(longestUnsubscription, name.count)
    hasMore = true
    isCutShort = unsubscriptionCount > most
    return !isCutShort
  }

  /// Those that follow one another from here on, as fast as it goes: a client may send a quarter of a million.
  private mutating func passUnsubscriptions(_ reader: inout WireFields, upTo most: Int) -> Bool {
    reader.passRun(of: fields.unsubscriptions) { addUnsubscription($0, upTo: most) }
  }

  /// The names as they are written, one after another; nil if there is something else between them, or no name.
  public var nameList: UnsafeRawBufferPointer? {
    guard nameCount > 0, names.isWhole else { return nil }
    return UnsafeRawBufferPointer(rebasing: message[names.range])
  }

  /// Visits the names, in the message's order, until `visit` says no. Whether all were visited.
  public func forEachName(_ visit: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    forEach(fields.names, in: names, visit)
  }

  /// Visits the initial versions until `visit` says no, or one is malformed. Whether all were visited.
  public func forEachVersion(
    _ visit: (_ name: UnsafeRawBufferPointer, _ version: UnsafeRawBufferPointer) -> Bool
  ) -> Bool {
    forEach(fields.versions, in: versions) { entry in
      guard let (name, version) = Self.short(entry) ?? Self.parts(entry) else { return false }
      return visit(name, version)
    }
  }

  private typealias Entry = (name: UnsafeRawBufferPointer, version: UnsafeRawBufferPointer)

  /// Of an entry whose parts are shorter than 128 bytes each; nil for any other.
  @inline(__always)
  private static func short(_ entry: UnsafeRawBufferPointer) -> Entry? {
    guard entry.count >= 4, let base = entry.baseAddress, entry[0] == 0x0A, entry[1] < 0x80 else { return nil }
    let end = 2 + Int(entry[1])
    guard entry.count >= end + 2, entry[end] == 0x12, entry[end + 1] < 0x80,
      entry.count == end + 2 + Int(entry[end + 1])
    else { return nil }
    return (
      UnsafeRawBufferPointer(start: base + 2, count: end - 2),
      UnsafeRawBufferPointer(start: base + end + 2, count: entry.count - end - 2)
    )
  }

  private static func parts(_ entry: UnsafeRawBufferPointer) -> Entry? {
    var parts = WireFields(entry)
    guard let key = parts.next(), key.number == 1, let name = key.payload,
      let value = parts.next(), value.number == 2, let version = value.payload, parts.position == entry.count
    else { return nil }
    return (name, version)
  }

  @inline(__always)
  private func forEach(_ number: UInt64, in list: List, _ visit: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    var reader = WireFields(message, at: list.range.lowerBound)
    while reader.position < list.range.upperBound {
      guard reader.passRun(of: number, visit) else { return false }
      guard reader.position < list.range.upperBound, let field = reader.next() else { break }
      guard field.number == number, let payload = field.payload else { continue }
      guard visit(payload) else { return false }
    }
    return true
  }

  /// The message without what it unsubscribes from where `isLeftOut` says so, and how many that were.
  public func leavingOutUnsubscriptions(where isLeftOut: (UnsafeRawBufferPointer) -> Bool) -> ([UInt8], Int) {
    var bytes: [UInt8] = []
    var count = 0
    // What is kept is copied in runs.
    var (start, end) = (0, 0)
    func take(_ name: UnsafeRawBufferPointer, upTo position: Int) {
      if isLeftOut(name) {
        append(start..<end, to: &bytes)
        start = position
        count += 1
      }
      end = position
    }
    var reader = WireFields(message)
    while true {
      _ = reader.passRun(of: fields.unsubscriptions) { name in
        guard let base = message.baseAddress, let first = name.baseAddress else { return false }
        take(name, upTo: base.distance(to: first) + name.count)
        return true
      }
      guard let field = reader.next() else { break }
      if field.number == fields.unsubscriptions, let name = field.payload {
        take(name, upTo: reader.position)
      } else {
        end = reader.position
      }
    }
    append(start..<end, to: &bytes)
    return (bytes, count)
  }

  /// A slice would be copied byte by byte.
  private func append(_ range: Range<Int>, to bytes: inout [UInt8]) {
    if !range.isEmpty { bytes += UnsafeRawBufferPointer(rebasing: message[range]) }
  }

  /// The message without its lists of names and versions.
  public var rest: [UInt8] {
    var bytes: [UInt8] = []
    var start = 0
    if names.isWhole && versions.isWhole {
      for range in [names.range, versions.range].sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
        append(start..<range.lowerBound, to: &bytes)
        start = range.upperBound
      }
      append(start..<message.count, to: &bytes)
      return bytes
    }
    var reader = WireFields(message)
    while let field = reader.next() {
      if field.number != fields.names && field.number != fields.versions {
        append(start..<reader.position, to: &bytes)
      }
      start = reader.position
    }
    return bytes
  }
}

/// A `DeltaDiscoveryRequest` that has a type and a nonce and nothing else: what a proxy answers when it accepts. Most requests
/// are of this kind.
public struct DeltaAcknowledgement {
  public let typeURL: UnsafeRawBufferPointer
  public let nonce: UnsafeRawBufferPointer

  /// Nil for any other message.
  public init?(_ message: UnsafeRawBufferPointer) {
    guard message.count <= 256, let scan = RequestScan(delta: message), !scan.hasMore,
      scan.nameCount == 0 && scan.versionCount == 0, let typeURL = scan.typeURL, let nonce = scan.nonce
    else { return nil }
    self.typeURL = typeURL
    self.nonce = nonce
  }
}
