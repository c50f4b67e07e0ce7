/// An object whose version can be seen in what is served.
struct Thing: Hashable, CustomStringConvertible {
  enum Kind: String, CaseIterable { case slice, rule, route }
  var kind: Kind
  var index: Int

  /// Its file: `s0.yaml` has a Service and its EndpointSlice, `d0.yaml` a DestinationRule, `r0.yaml` a VirtualService.
  var file: String {
    switch kind {
    case .slice: "s\(index).yaml"
    case .rule: "d\(index).yaml"
    case .route: "r\(index).yaml"
    }
  }
  var description: String { "\(kind.rawValue) \(index)" }

  /// The subsets of a rule's version: some versions take away what routes name.
  static func subsets(ofRule version: Int) -> Set<String> {
    switch version % 4 {
    case 0: ["a"]
    case 1: ["b"]
    default: ["a", "b"]
    }
  }

  /// The subset that a route's version names.
  static func subset(ofRoute version: Int) -> String { version % 3 == 0 ? "b" : "a" }

  /// The last document is in flow style from its second line on, so that no piece of it is a document.
  func text(_ version: Int) -> String {
    switch kind {
    case .slice:
      """
      apiVersion: v1
      kind: Service
      metadata: {name: s\(index), namespace: shop}
      spec: {ports: [{name: http, port: 80}]}
      ---
      \(sliceText(version))
      """
    case .rule:
      """
      {apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d\(index), namespace: shop}, spec: {\
      host: s\(index), trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, ringHash: {\
      minimumRingSize: \(Self.ringSize(version))}}}}, subsets: [\
      \(Self.subsets(ofRule: version).sorted().map { "{name: \($0), labels: {v: \($0)}}" }.joined(separator: ", "))]}}

      """
    case .route:
      """
      {apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: r\(index), namespace: shop}, spec: {\
      hosts: [s\(index)], http: [{timeout: \(Self.timeout(version))ms, route: [{destination: {\
      host: s\(index), subset: \(Self.subset(ofRoute: version))}}]}]}}

      """
    }
  }

  /// The EndpointSlice alone.
  func sliceText(_ version: Int) -> String {
    """
    {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s\(index), namespace: shop, labels: {\
    kubernetes.io/service-name: s\(index)}}, addressType: IPv4, ports: [{name: http, port: 8080}], endpoints: [{\
    addresses: [\(Self.address(version))]}]}

    """
  }

  static func address(_ version: Int) -> String { "10.0.\(version >> 8).\(version & 255)" }
  static func ringSize(_ version: Int) -> Int { 1_024 + version }
  static func timeout(_ version: Int) -> Int { 1_000 + version }
}

/// The ways in which a file can be wrong.
enum Damage: String, CaseIterable {
  case syntax, cut, empty, binary, encoding, refused

  func apply(to text: String, at fraction: Double) -> [UInt8] {
    let bytes = Array(text.utf8)
    let lastDocument = bytes.count - text.split(separator: "\n").last!.utf8.count
    switch self {
    case .syntax: return bytes + Array("[broken\n".utf8)
    case .cut: return Array(bytes.prefix(lastDocument + 1 + Int(fraction * Double(bytes.count - lastDocument - 4))))
    case .empty: return []
    case .binary: return [0x7F, 0x45, 0x4C, 0x46, 0, 0, 1]
    case .encoding: return Array(bytes.dropLast(3)) + [0xC3, 0x28] + Array(bytes.suffix(3))
    case .refused:
      return Array(
        text.replacing("10.0.", with: "10.999.").replacing("minimumRingSize: ", with: "minimumRingSize: -")
          .replacing("timeout: ", with: "timeout: -").utf8)
    }
  }
}
