internal import EnvoyAPI
internal import ProtobufC

extension FuzzTarget {
  /// Encoded messages: what is taken and what is refused agrees with a reference, what is taken says what the reference
  /// says, and encoding it and decoding that changes nothing.
  public static let protobuf = FuzzTarget(
    name: "protobuf", share: 350, generate: { ProtobufGenerator.input(&$0) },
    run: { input in
      guard let first = input.first else { return }
      let schema = WireSchema.decoded[Int(first) % WireSchema.decoded.count]
      let bytes = Array(input.dropFirst())
      let expected = Result { () throws(ReferenceMessage.Refusal) in try ReferenceMessage(schema, bytes[...]) }
      do {
        try decode(schema, bytes, expected)
      } catch let error as ProtobufError {
        try check(error, expected, byteCount: bytes.count)
      }
    })

  /// Whether Weir takes a message; for comparing with another implementation.
  public static func accepts(protobufInput input: [UInt8]) -> Bool {
    guard let first = input.first else { return true }
    let schema = WireSchema.decoded[Int(first) % WireSchema.decoded.count]
    return (try? decode(schema, Array(input.dropFirst()), nil)) != nil
  }
}

private typealias Expected = Result<ReferenceMessage, ReferenceMessage.Refusal>

private func check(_ error: ProtobufError, _ expected: Expected, byteCount: Int) throws {
  guard case .success(let message) = expected else { return }
  // What libprotobuf-c is stricter about, and limits of memory, which are Weir's own: at least 64 kB, and 32 times the bytes.
  if error.code == .refused && message.isUnusual { return }
  if error.code == .tooLarge && byteCount > 256 { return }
  throw FuzzFailure("refused, and the reference takes it: \(error)")
}

private func decode(_ schema: WireSchema, _ bytes: [UInt8], _ expected: Expected?) throws {
  func taken() throws -> ReferenceMessage? {
    switch expected {
    case .success(let message): return message
    case .failure(let refusal): throw FuzzFailure("taken, and the reference refuses it: \(refusal)")
    case nil: return nil
    }
  }
  switch schema {
  case .discoveryRequest:
    let request = try DiscoveryRequest(decoding: bytes)
    let encoded = request.encoded()
    try requireStable(encoded, try DiscoveryRequest(decoding: encoded).encoded())
    guard let message = try taken() else { return }
    try requireEqual(request.versionInfo, message.string(1), "version_info")
    try requireEqual(request.resourceNames, message.strings(3), "resource_names")
    try requireEqual(request.typeURL, message.string(4), "type_url")
    try requireEqual(request.responseNonce, message.string(5), "response_nonce")
    try compare(request.node, try message.message(2, .node))
    try compare(request.errorDetail, try message.message(6, .status), parts: message.texts[6]?.count ?? 0)
  case .deltaDiscoveryRequest:
    let request = try DeltaDiscoveryRequest(decoding: bytes)
    try bytes.withUnsafeBytes { try compareScan($0, request) }
    let encoded = request.encoded()
    try requireStable(encoded, try DeltaDiscoveryRequest(decoding: encoded).encoded())
    guard let message = try taken() else { return }
    try requireEqual(request.typeURL, message.string(2), "type_url")
    try requireEqual(request.resourceNamesSubscribe, message.strings(3), "resource_names_subscribe")
    try requireEqual(request.resourceNamesUnsubscribe, message.strings(4), "resource_names_unsubscribe")
    try requireEqual(request.responseNonce, message.string(6), "response_nonce")
    var versions: [String: String] = [:]
    for entry in message.texts[5, default: []] {
      let entry = try ReferenceMessage(.textEntry, entry[...])
      versions[entry.string(1)] = entry.string(2)
    }
    try requireEqual(request.initialResourceVersions, versions, "initial_resource_versions")
    try compare(request.node, try message.message(1, .node))
    try compare(request.errorDetail, try message.message(7, .status), parts: message.texts[7]?.count ?? 0)
  case .node:
    let node = try NodeIdentity(decoding: bytes)
    let encoded = node.encoded()
    try requireStable(encoded, try NodeIdentity(decoding: encoded).encoded())
    guard let message = try taken() else { return }
    try compare(node, message)
  case .value:
    let value = try MetadataValue(decoding: bytes)
    let encoded = value.encoded()
    try requireStable(encoded, try MetadataValue(decoding: encoded).encoded())
    _ = try taken()
  case .discoveryResponse:
    let response = try DiscoveryResponse(decoding: bytes)
    guard let message = try taken() else { return }
    try requireEqual(response.nonce, message.string(5), "nonce")
    try requireEqual(response.resources.count, message.texts[2, default: []].count, "resources")
  default:
    let response = try DeltaDiscoveryResponse(decoding: bytes)
    guard let message = try taken() else { return }
    try requireEqual(response.resources.count, message.texts[2, default: []].count, "resources")
    try requireEqual(response.removedResources, message.strings(6), "removed_resources")
  }
}

private func requireStable(_ first: [UInt8], _ second: [UInt8]) throws {
  try require(first == second, "encoded, decoded and encoded again: other bytes")
}

private func requireEqual<Value: Equatable>(_ value: Value, _ expected: Value, _ what: String) throws {
  try require(value == expected, "\(what): \(value) instead of \(expected)")
}

private func compare(_ node: NodeIdentity?, _ message: ReferenceMessage?) throws {
  try requireEqual(node != nil, message != nil, "node")
  guard let node, let message else { return }
  try requireEqual(node.id, message.string(1), "node id")
  try requireEqual(node.cluster, message.string(2), "node cluster")
  try requireEqual(node.userAgentName, message.string(6), "user_agent_name")
  let locality = try message.message(4, .locality)
  try requireEqual(node.region, locality?.string(1) ?? "", "region")
  try requireEqual(node.zone, locality?.string(2) ?? "", "zone")
  var keys: Set<String> = []
  for entry in try message.message(3, .structure)?.texts[1] ?? [] {
    keys.insert(try ReferenceMessage(.structEntry, entry[...]).string(1))
  }
  try requireEqual(Set(node.metadata.keys), keys, "metadata keys")
}

private func compare(_ detail: ErrorDetail?, _ message: ReferenceMessage?, parts: Int) throws {
  try requireEqual(detail != nil, message != nil, "error_detail")
  guard let detail, let message else { return }
  // libprotobuf-c 1.4.1 forgets the numbers of all parts but the last when a message is given in several, which no encoder
  // does; the code is for people only.
  if parts < 2 {
    try requireEqual(detail.code, Int32(truncatingIfNeeded: message.numbers[1]?.last ?? 0), "error_detail code")
  }
  try requireEqual(detail.message, message.string(2), "error_detail message")
}

/// The scan says what the decoder says, unless it leaves the message to that.
private func compareScan(_ bytes: UnsafeRawBufferPointer, _ request: DeltaDiscoveryRequest) throws {
  guard let scan = RequestScan(delta: bytes) else { return }
  try requireEqual(scan.nameCount, request.resourceNamesSubscribe.count, "names scanned")
  func text(_ bytes: UnsafeRawBufferPointer?) -> String { bytes.map { String(decoding: $0, as: UTF8.self) } ?? "" }
  try requireEqual(text(scan.typeURL), request.typeURL, "type_url scanned")
  try requireEqual(text(scan.nonce), request.responseNonce, "response_nonce scanned")
}
