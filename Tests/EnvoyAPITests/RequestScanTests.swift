import EnvoyAPI
import Testing

@Suite struct RequestScanTests {
  private static func request() -> DeltaDiscoveryRequest {
    var request = DeltaDiscoveryRequest()
    request.node = NodeIdentity(id: "n")
    request.typeURL = TypeURL.cluster
    request.resourceNamesSubscribe = ["a", "b", "c"]
    request.initialResourceVersions = ["a": "1", "b": "2"]
    request.responseNonce = "7"
    return request
  }

  @Test func findsWhatADecoderFinds() throws {
    let request = Self.request()
    try request.encoded().withUnsafeBytes { bytes in
      let scan = try #require(RequestScan(delta: bytes))
      #expect(scan.nameCount == 3)
      #expect(scan.versionCount == 2)
      #expect(scan.hasMore, "the node")
      #expect(scan.typeURL.map { String(decoding: $0, as: UTF8.self) } == TypeURL.cluster)
      #expect(scan.nonce.map { String(decoding: $0, as: UTF8.self) } == "7")
      var names: [String] = []
      #expect(
        scan.forEachName {
          names.append(String(decoding: $0, as: UTF8.self)); return true
        })
      #expect(names == request.resourceNamesSubscribe)
      var versions: [String: String] = [:]
      #expect(
        scan.forEachVersion { name, version in
          versions[String(decoding: name, as: UTF8.self)] = String(decoding: version, as: UTF8.self)
          return true
        })
      #expect(versions == request.initialResourceVersions)
      var rest = request
      rest.resourceNamesSubscribe = []
      rest.initialResourceVersions = [:]
      #expect(try DeltaDiscoveryRequest(decoding: scan.rest) == rest)
    }
  }

  /// Whoever writes a message need not write a list in one piece, nor short names.
  @Test func findsListsInPiecesAndLongNames() throws {
    let long = String(repeating: "n", count: 300)
    var parts: [DeltaDiscoveryRequest] = []
    for index in 0..<4 {
      var part = DeltaDiscoveryRequest()
      part.resourceNamesSubscribe = ["name-\(index)", long + "\(index)"]
      part.initialResourceVersions = ["name-\(index)": "v\(index)", long + "\(index)": long]
      parts.append(part)
    }
    var rest = DeltaDiscoveryRequest()
    rest.typeURL = TypeURL.cluster
    rest.responseNonce = "9"
    for order in [[0, 1, 4, 2, 3], [4, 3], [2, 2, 4], [0]] {
      let bytes = order.flatMap { ($0 < 4 ? parts[$0] : rest).encoded() }
      let request = try DeltaDiscoveryRequest(decoding: bytes)
      try bytes.withUnsafeBytes { raw in
        let scan = try #require(RequestScan(delta: raw))
        var names: [String] = []
        var versions: [String: String] = [:]
        #expect(
          scan.forEachName {
            names.append(String(decoding: $0, as: UTF8.self)); return true
          })
        var count = 0
        #expect(
          scan.forEachVersion { name, version in
            count += 1
            versions[String(decoding: name, as: UTF8.self)] = String(decoding: version, as: UTF8.self)
            return true
          })
        #expect(names == request.resourceNamesSubscribe && names.count == scan.nameCount)
        #expect(versions == request.initialResourceVersions && count == scan.versionCount)
        #expect(scan.longestName == 301)
        let isOneList = order.filter { $0 < 4 }.count == 1
        #expect((scan.nameList != nil) == isOneList, "else there are entries between the names")
        let left = try DeltaDiscoveryRequest(decoding: scan.rest)
        #expect(left == (order.contains(4) ? rest : DeltaDiscoveryRequest()))
      }
    }
  }

  @Test func theListOfNamesIsItsBytes() throws {
    var request = DeltaDiscoveryRequest()
    request.resourceNamesSubscribe = ["a", "bc"]
    try request.encoded().withUnsafeBytes { bytes in
      let scan = try #require(RequestScan(delta: bytes))
      #expect(scan.nameList.map(Array.init) == [0x1A, 1, 97, 0x1A, 2, 98, 99])
    }
    try [UInt8]().withUnsafeBytes { bytes in
      let scan = try #require(RequestScan(delta: bytes))
      #expect(scan.nameList == nil)
    }
  }

  @Test func leavesOutWhatIsUnsubscribedInVain() throws {
    var request = Self.request()
    request.resourceNamesUnsubscribe = ["x", "keep-1", "longest of all", "keep-2", "y"]
    try request.encoded().withUnsafeBytes { bytes in
      let scan = try #require(RequestScan(delta: bytes))
      #expect(scan.unsubscriptionCount == 5 && scan.longestName == 14 && scan.longestVersion == 6)
      let (lean, count) = scan.leavingOutUnsubscriptions { !$0.starts(with: "keep".utf8) }
      #expect(count == 3)
      request.resourceNamesUnsubscribe = ["keep-1", "keep-2"]
      #expect(try DeltaDiscoveryRequest(decoding: lean) == request)
      let (all, none) = scan.leavingOutUnsubscriptions { _ in false }
      #expect(none == 0 && all == Array(bytes))
    }
  }

  /// In several runs, with long and empty ones, and one whose length is written with a byte too many.
  @Test func unsubscriptionsMayStandAnywhere() throws {
    func fields(_ names: [String]) -> [UInt8] {
      var request = DeltaDiscoveryRequest()
      request.resourceNamesUnsubscribe = names
      return request.encoded()
    }
    let long = String(repeating: "l", count: 20_000)
    let subscribed: [UInt8] = [0x1A, 1, 97]
    let odd: [UInt8] = [0x22, 0x81, 0x80, 0x00, 120]
    let bytes = fields(["x", long, "keep"]) + subscribed + fields(["", "y"]) + odd + fields(["keep", "z"])
    try bytes.withUnsafeBytes { bytes in
      let scan = try #require(RequestScan(delta: bytes))
      #expect(scan.unsubscriptionCount == 8 && scan.longestName == 20_000 && scan.hasMore && !scan.isCutShort)
      let (lean, count) = scan.leavingOutUnsubscriptions { !$0.elementsEqual("keep".utf8) }
      #expect(count == 6 && lean == fields(["keep"]) + subscribed + fields(["keep"]))
      for most in 0...8 {
        let scan = try #require(RequestScan(delta: bytes, mostUnsubscriptions: most))
        #expect(scan.isCutShort == (most < 8) && scan.unsubscriptionCount == min(most + 1, 8))
      }
    }
  }

  @Test func noPrefixOfAMessageIsTakenForMoreThanItIs() {
    let bytes = Self.request().encoded()
    for count in bytes.indices {
      bytes[..<count].withUnsafeBytes { part in
        let scan = RequestScan(delta: part)
        #expect((scan != nil) == ((try? DeltaDiscoveryRequest(decoding: part)) != nil), "\(count) bytes")
      }
    }
  }

  @Test func anAcknowledgementHasATypeAndANonceAndNothingElse() {
    func isAcknowledgement(_ change: (inout DeltaDiscoveryRequest) -> Void) -> Bool {
      var request = DeltaDiscoveryRequest()
      request.typeURL = TypeURL.route
      request.responseNonce = "1"
      change(&request)
      return request.encoded().withUnsafeBytes { DeltaAcknowledgement($0) != nil }
    }
    #expect(isAcknowledgement { _ in })
    #expect(!isAcknowledgement { $0.responseNonce = "" })
    #expect(!isAcknowledgement { $0.typeURL = "" })
    #expect(!isAcknowledgement { $0.resourceNamesSubscribe = ["a"] })
    #expect(!isAcknowledgement { $0.resourceNamesUnsubscribe = ["a"] })
    #expect(!isAcknowledgement { $0.initialResourceVersions = ["a": "1"] })
    #expect(!isAcknowledgement { $0.node = NodeIdentity(id: "n") })
    #expect(!isAcknowledgement { $0.errorDetail = ErrorDetail(code: 3, message: "no") })
  }
}
