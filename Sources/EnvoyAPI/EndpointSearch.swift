internal import Glibc
internal import ProtobufC

/// Looks for one endpoint in encoded assignments, where it lies: is it there, and does it take new requests?
public struct EndpointSearch: Sendable, Hashable {
  public let address: String
  public let port: UInt16
  /// As `inet_pton` reads it: an IPv6 address has many spellings.
  private let binary: [UInt8]
  private let text: [UInt8]

  /// - Returns: nil if the address is no IP address.
  public init?(address: String, port: UInt16) {
    guard let binary = Self.binary(address) else { return nil }
    self.address = address
    self.port = port
    self.binary = binary
    text = Array(address.utf8)
  }

  /// Whether a `ClusterLoadAssignment`, or elements of one, has the endpoint as one that takes new requests. What cannot be
  /// read might. O(bytes), some 1 GB/s where an IPv4 address is not in them.
  public func isServing(inAssignment bytes: UnsafeRawBufferPointer) -> Bool {
    guard mayBe(in: bytes) else { return false }
    return anyMessage(2, of: bytes) { locality in anyMessage(2, of: locality, isServing(inEndpoint:)) }
  }

  /// The same of an `LbEndpoint`.
  public func isServing(inEndpoint bytes: UnsafeRawBufferPointer) -> Bool {
    do {
      var fields = WireFields(bytes)
      var (isHere, health) = (false, UInt64(0))
      while let field = try fields.next() {
        if field.number == 1, let endpoint = field.payload { isHere = try matches(endpoint: endpoint) }
        if field.number == 2 { health = field.value }
      }
      // core.v3.HealthStatus: unknown, healthy and degraded ones take requests.
      return isHere && [0, 1, 5].contains(health)
    } catch {
      return true
    }
  }

  private func matches(endpoint: UnsafeRawBufferPointer) throws(WireFields.Malformed) -> Bool {
    guard let address = try Self.message(1, of: endpoint), let socket = try Self.message(1, of: address) else {
      return false
    }
    var fields = WireFields(socket)
    var (isAddress, isPort) = (false, false)
    while let field = try fields.next() {
      if field.number == 2, let payload = field.payload {
        isAddress = payload.elementsEqual(text) || Self.binary(String(decoding: payload, as: UTF8.self)) == binary
      }
      if field.number == 3 { isPort = field.value == UInt64(port) }
    }
    return isAddress && isPort
  }

  private func anyMessage(
    _ number: UInt64, of bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Bool
  ) -> Bool {
    var fields = WireFields(bytes)
    do {
      while let field = try fields.next() {
        if field.number == number, let payload = field.payload, body(payload) { return true }
      }
      return false
    } catch {
      return true
    }
  }

  private static func message(
    _ number: UInt64, of bytes: UnsafeRawBufferPointer
  ) throws(WireFields.Malformed) -> UnsafeRawBufferPointer? {
    var fields = WireFields(bytes)
    var found: UnsafeRawBufferPointer?
    while let field = try fields.next() { if field.number == number { found = field.payload } }
    return found
  }

  /// An IPv4 address has one spelling, of 7 bytes at least: its last four are looked for first.
  private func mayBe(in bytes: UnsafeRawBufferPointer) -> Bool {
    guard binary.count == 4, text.count >= 4 else { return true }
    guard bytes.count >= text.count else { return false }
    return text.withUnsafeBytes { text in
      let tailOffset = text.count - 4
      let tail = text.loadUnaligned(fromByteOffset: tailOffset, as: UInt32.self)
      for start in 0...(bytes.count - text.count)
      where bytes.loadUnaligned(fromByteOffset: start + tailOffset, as: UInt32.self) == tail {
        if bytes[start..<start + text.count].elementsEqual(text) { return true }
      }
      return false
    }
  }

  private static func binary(_ text: String) -> [UInt8]? {
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 { return withUnsafeBytes(of: four) { Array($0) } }
    var six = in6_addr()
    if inet_pton(AF_INET6, text, &six) == 1 { return withUnsafeBytes(of: six) { Array($0) } }
    return nil
  }
}
