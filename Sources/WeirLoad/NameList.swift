import ProtobufC
import XDSSnapshot

/// An immutable list of names that proxies in the same state share, with its bytes in requests.
final class NameList {
  let names: Set<String>
  /// As elements of field 3 (`DiscoveryRequest.resource_names`, `DeltaDiscoveryRequest.resource_names_subscribe`).
  let encoded: [UInt8]

  fileprivate init(_ list: [String]) {
    names = Set(list)
    var bytes: [UInt8] = []
    for name in list { WireFormat.appendElement(3, name, to: &bytes) }
    encoded = bytes
  }
}

/// An immutable list of resources with their versions, with its bytes in requests.
final class VersionList {
  let versions: [String: String]
  /// As entries of field 5 (`DeltaDiscoveryRequest.initial_resource_versions`), and where each name's entry lies.
  private let encoded: [UInt8]
  private let entries: [String: Range<Int>]
  private let starts: [Int]

  fileprivate init(_ list: [(name: String, version: String)]) {
    versions = Dictionary(list.map { ($0.name, $0.version) }) { $1 }
    var bytes: [UInt8] = []
    var entries: [String: Range<Int>] = [:]
    for (name, version) in list where entries[name] == nil {
      let start = bytes.count
      Self.append(name, version, to: &bytes)
      entries[name] = start..<bytes.count
    }
    encoded = bytes
    self.entries = entries
    starts = entries.values.map(\.lowerBound).sorted()
  }

  /// Appends all entries but those of the given names, from the given entry on and round: an Envoy sends a map in no order, so
  /// no two proxies say the same bytes. O(bytes).
  func append(without names: some Sequence<String>, startingAt entry: Int, to bytes: inout [UInt8]) {
    guard !starts.isEmpty else { return }
    let cuts = names.compactMap { entries[$0] }.sorted { $0.lowerBound < $1.lowerBound }
    func appendPart(_ part: Range<Int>) {
      var start = part.lowerBound
      for cut in cuts where part.contains(cut.lowerBound) {
        bytes += encoded[start..<cut.lowerBound]
        start = cut.upperBound
      }
      bytes += encoded[start..<part.upperBound]
    }
    let pivot = starts[entry % starts.count]
    bytes.reserveCapacity(bytes.count + encoded.count)
    appendPart(pivot..<encoded.count)
    appendPart(0..<pivot)
  }

  /// Appends one entry.
  static func append(_ name: String, _ version: String, to bytes: inout [UInt8]) {
    var entry: [UInt8] = []
    WireFormat.appendField(1, name, to: &entry)
    WireFormat.appendField(2, version, to: &entry)
    entry.withUnsafeBytes { WireFormat.appendElement(5, $0, to: &bytes) }
  }
}

/// The lists that the proxies of one event loop hold, each once. A thousand proxies with five thousand clusters each would
/// otherwise hold five million strings.
final class ListPool {
  private var nameLists: [ContentHash: NameList] = [:]
  private var versionLists: [ContentHash: VersionList] = [:]
  private var scratch: [UInt8] = []

  /// The list of these names in this order. O(bytes).
  func names(_ names: [UnsafeRawBufferPointer]) -> NameList {
    let hash = hash(names)
    if let known = nameLists[hash] { return known }
    let list = NameList(names.map { String(utf8: $0) })
    nameLists[hash] = list
    return list
  }

  /// The list of what a response brought. O(bytes).
  func versions(_ resources: [ScannedResponse.Resource]) -> VersionList {
    let hash = hash(resources.flatMap { [$0.name, $0.version] })
    if let known = versionLists[hash] { return known }
    let list = VersionList(resources.map { (String(utf8: $0.name), String(utf8: $0.version)) })
    versionLists[hash] = list
    return list
  }

  private func hash(_ texts: [UnsafeRawBufferPointer]) -> ContentHash {
    scratch.removeAll(keepingCapacity: true)
    for text in texts {
      WireFormat.appendVarint(UInt64(text.count), to: &scratch)
      scratch.append(contentsOf: text)
    }
    return ContentHash(scratch)
  }
}
