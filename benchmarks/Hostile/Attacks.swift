import EnvoyAPI

// Every kind of hostile connection. Those that the protocol calls errors are there to be thrown out; those that it allows
// are there to cost.
extension Attack {
  private typealias Bytes = HostileBytes

  /// - Parameter seed: of all that is random.
  static func all(seed: UInt64) -> [Attack] {
    var random = SplitMix(state: seed)
    return noHTTP2(&random) + brokenFrames(&random) + floods() + windows() + messages() + subscriptions() + patience()
  }

  // MARK: No HTTP/2 at all

  private static func noHTTP2(_ random: inout SplitMix) -> [Attack] {
    let garbage = (0..<32).map { _ in (0..<2_048).map { _ in UInt8.random(in: 0...255, using: &random) } }
    let http1 = Array("GET /healthz HTTP/1.1\r\nHost: weir\r\nUser-Agent: probe\r\n\r\n".utf8)
    // A TLS 1.2 record with the beginning of a ClientHello.
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03] + garbage[0].prefix(512)
    return [
      Attack(name: "garbage", scripts: garbage, ending: .hold, isToBeThrownOut: true),
      Attack(name: "http1", scripts: [http1], ending: .hold, isToBeThrownOut: true),
      Attack(name: "tls-hello", scripts: [hello], ending: .hold, isToBeThrownOut: true),
    ]
  }

  // MARK: Broken frames

  private static func brokenFrames(_ random: inout SplitMix) -> [Attack] {
    let oversized = Bytes.preface + Bytes.frame(.data, stream: 1, [UInt8](repeating: 0, count: 64), length: 0xFF_FFFF)
    let header = Bytes.preface + Bytes.call(1)
    // Frames with a right header, and a random type, flags, stream and payload.
    let confused = (0..<32).map { _ in
      Bytes.preface
        + (0..<64).flatMap { _ -> [UInt8] in
          let payload = (0..<Int.random(in: 0...64, using: &random)).map { _ in
            UInt8.random(in: 0...255, using: &random)
          }
          let type = HostileBytes.FrameType(rawValue: .random(in: 0...9, using: &random)) ?? .data
          return Bytes.frame(
            type, flags: .random(in: 0...255, using: &random), stream: .random(in: 0...9, using: &random), payload)
        }
    }
    return [
      Attack(name: "oversized-frame", scripts: [oversized], ending: .hold, isToBeThrownOut: true),
      Attack(
        name: "oversized-message",
        scripts: [header + Bytes.message(1, [UInt8](repeating: 0, count: 64), announced: 0xFFFF_FFFF)],
        ending: .hold),
      Attack(name: "random-frames", scripts: confused, ending: .hold, isToBeThrownOut: true),
    ]
  }

  // MARK: Floods

  /// Calls on new streams, made by `body`, as many as `count`.
  private static func streams(_ count: Int, _ body: (UInt32) -> [UInt8]) -> [UInt8] {
    Bytes.preface + (0..<UInt32(count)).flatMap { body($0 * 2 + 1) }
  }

  private static func repeated(_ count: Int, _ bytes: [UInt8]) -> [UInt8] { (0..<count).flatMap { _ in bytes } }

  private static func endless(_ name: String, _ opening: [UInt8], _ body: [UInt8], reading: Reading = .all) -> Attack {
    Attack(
      name: name, scripts: [opening + body], reading: reading, ending: .again(from: opening.count),
      isToBeThrownOut: true)
  }

  private static func floods() -> [Attack] {
    let call = Bytes.preface + Bytes.call(1)
    let manyFields = (0..<280).flatMap { Bytes.field("x-\($0)", "0123456789012345678901234567890123456789") }
    // One field of 4,000 bytes enters the table; then each byte of a block names it again (an HPACK bomb).
    let entry = Bytes.indexedField("x", String(repeating: "b", count: 3_900))
    let bomb = [UInt8](repeating: 0xBE, count: 8_000)
    func continuation(_ fragment: [UInt8]) -> [UInt8] { Bytes.frame(.continuation, stream: 1, fragment) }
    let open = Bytes.preface + Bytes.frame(.headers, stream: 1, Bytes.head())
    let tinyWindow = Bytes.settings([(4, 1)]) + Bytes.settings([(4, 65_535)])
    return [
      Attack(
        name: "header-flood",
        scripts: [
          streams(64) {
            Bytes.frame(.headers, flags: Bytes.endHeaders, stream: $0, Bytes.head() + manyFields)
          }
        ]),
      Attack(
        name: "hpack-bomb",
        scripts: [
          streams(200) {
            Bytes.frame(.headers, flags: Bytes.endHeaders, stream: $0, Bytes.head() + ($0 == 1 ? entry : []) + bomb)
          }
        ]),
      endless("continuation-flood", open, repeated(200, continuation(Bytes.field("x", "y")))),
      endless("empty-continuations", open, repeated(1_800, continuation([]))),
      endless("ping-flood", Bytes.preface, repeated(960, Bytes.frame(.ping, [UInt8](repeating: 7, count: 8)))),
      endless(
        "ping-flood-unread", Bytes.preface, repeated(960, Bytes.frame(.ping, [UInt8](repeating: 7, count: 8))),
        reading: .nothing),
      endless("settings-flood", Bytes.preface, repeated(1_800, Bytes.frame(.settings))),
      endless("settings-window-flood", streams(90) { Bytes.call($0) }, repeated(500, tinyWindow)),
      endless("empty-data", call, repeated(1_800, Bytes.frame(.data, stream: 1))),
      endless("priority-flood", call, repeated(1_100, Bytes.frame(.priority, stream: 1, [0, 0, 0, 3, 9]))),
      // Frames of a type that nobody knows must be ignored (RFC 9113, section 4.1); they cost nevertheless.
      endless("unknown-frames", call, repeated(1_800, [0, 0, 0, 0x42, 0, 0, 0, 0, 1])),
      Attack(
        name: "rapid-reset", scripts: [streams(5_000) { Bytes.call($0) + Bytes.reset($0) }], isToBeThrownOut: true),
      // The client breaks each stream so that the server resets it (CVE-2025-8671).
      Attack(
        name: "made-you-reset", scripts: [streams(5_000) { Bytes.call($0) + Bytes.windowUpdate($0, 0) }],
        isToBeThrownOut: true),
      Attack(name: "unknown-methods", scripts: [streams(5_000) { Bytes.call($0, "/none/None", end: true) }]),
      Attack(name: "stream-flood", scripts: [streams(5_000) { Bytes.call($0) }], isToBeThrownOut: true),
    ]
  }

  // MARK: Windows

  private static func subscribed(_ node: String, types: [String]) -> [UInt8] {
    types.enumerated().flatMap { Bytes.message(1, Bytes.request($1, node: $0 == 0 ? node : nil)) }
  }

  private static func windows() -> [Attack] {
    let closed = Bytes.magic + Bytes.settings([(4, 0)]) + Bytes.call(1)
    let wanted = subscribed("window", types: [TypeURL.cluster, TypeURL.listener])
    let byteByByte = closed + wanted
    return [
      Attack(name: "zero-window", scripts: [closed + wanted], ending: .hold),
      // The server may send one byte more, again and again.
      Attack(
        name: "one-byte-windows", scripts: [byteByByte + repeated(1_200, Bytes.windowUpdate(1, 1))],
        ending: .again(from: byteByByte.count)),
      Attack(
        name: "window-overflow",
        scripts: [
          Bytes.preface + Bytes.call(1) + Bytes.windowUpdate(1, 0x7FFF_FFFF) + Bytes.windowUpdate(0, 0x7FFF_FFFF)
        ],
        ending: .hold),
    ]
  }

  // MARK: Messages

  private static func calls(_ count: Int, _ message: [UInt8]) -> [UInt8] {
    streams(count) { Bytes.call($0) + Bytes.message($0, message) }
  }

  private static func messages() -> [Attack] {
    let request = Bytes.request(TypeURL.cluster, node: "truncated", subscribe: (0..<20).map { "cluster-\($0)" })
    let notText = request.map { $0 == UInt8(ascii: "-") ? 0xFF : $0 }
    let zeroes = request.map { $0 == UInt8(ascii: "-") ? 0 : $0 }
    let unfinished = [UInt8](repeating: 0, count: 1 << 20)
    let longNames = (0..<60).map { "\($0)-" + String(repeating: "x", count: 250_000) }
    let allowedNames = (0..<60).map { "\($0)-" + String(repeating: "x", count: 4_000) }
    return [
      Attack(
        name: "truncated-protobuf",
        scripts: [calls(100, Array(request.dropLast(3))), calls(100, notText), calls(100, zeroes)]),
      Attack(name: "deep-metadata", scripts: [calls(4, Bytes.nestedMetadata(depth: 3_000))]),
      Attack(
        name: "million-names",
        scripts: [8, 40].map { Bytes.preface + Bytes.call(1) + Bytes.message(1, Bytes.millionNames(of: $0)) },
        chunk: 65_536, ending: .hold),
      // The connection window is 65,535 to begin with, and the server widens it; the attacker just sends.
      Attack(
        name: "unfinished-messages",
        scripts: [streams(4) { Bytes.call($0) + Bytes.message($0, unfinished, announced: unfinished.count + 1) }],
        chunk: 65_536, ending: .hold),
      // A few such connections hold all that clients may make the server hold, if they may.
      Attack(
        name: "unfinished-giants",
        scripts: [
          streams(2) {
            Bytes.call($0) + Bytes.message($0, [UInt8](repeating: 0, count: 15 << 20), announced: 16 << 20)
          }
        ],
        chunk: 65_536, ending: .hold),
      Attack(
        name: "long-names",
        scripts: [longNames, allowedNames].map { names in
          Bytes.preface + Bytes.call(1)
            + Bytes.message(1, Bytes.request(TypeURL.endpoint, node: "long", subscribe: names))
        },
        chunk: 65_536, ending: .hold),
    ]
  }

  // MARK: Subscriptions that are allowed, and cost

  private static func subscriptions() -> [Attack] {
    let everything = Bytes.preface + Bytes.call(1) + subscribed("greedy", types: [TypeURL.cluster, TypeURL.listener])
    let again = Bytes.message(1, Bytes.request(TypeURL.cluster, node: nil, subscribe: ["*"]))
    let stale = Bytes.message(1, Bytes.request(TypeURL.cluster, node: nil, nonce: "none"))
    let strangers = (0..<512).map { index in
      Bytes.preface + Bytes.call(1)
        + Bytes.message(
          1,
          Bytes.request(
            TypeURL.listener, node: "class-\(index)",
            metadata: [
              "NAMESPACE": .string("stranger-\(index)"), "WEIR_LISTEN": .string("127.0.0.1:\(20_000 + index)"),
            ]))
    }
    let run = Bytes.combiningMarks(60_000)
    let marks = [
      Bytes.request(TypeURL.cluster, node: "marks", metadata: [run: .string("x"), run + "x": .string("y")]),
      Bytes.request("type.googleapis.com/" + run, node: "marks"),
      Bytes.request(TypeURL.cluster, node: "marks", nonce: run),
      Bytes.request(TypeURL.endpoint, node: "marks", subscribe: (0..<20).map { Bytes.combiningMarks(4_000) + "\($0)" }),
    ]
    // Names of one hash, and several names of one version.
    let collision = Dictionary(uniqueKeysWithValues: Bytes.collidingNames.map { ($0, "1") })
    let gone = (0..<64).map { ["gone-\($0)": "1", "gone-too-\($0)": "1"] }
    let claims = [TypeURL.cluster, TypeURL.listener, TypeURL.endpoint].flatMap { type in
      ([collision] + gone).map { Bytes.claiming(type, $0) }
    }
    // Windows that never close, so that nothing holds up the answers.
    let wideOpen =
      Bytes.magic + Bytes.settings([(4, 0x7FFF_FFFF)]) + Bytes.windowUpdate(0, 0x7F00_0000) + Bytes.call(1)
      + subscribed("acks", types: [TypeURL.cluster])
    // Each stream is the only one of its class, and ends with its request.
    let flapping = (0..<64).map { index in
      let request = Bytes.request(
        TypeURL.cluster, node: "flap", metadata: ["NAMESPACE": .string("flap-\(index + 100)")])
      return streams(200) {
        Bytes.call($0) + Bytes.message($0, request) + Bytes.frame(.data, flags: Bytes.endStream, stream: $0)
      }
    }
    // Two calls of a connection, so that each has a budget of its own.
    let inVain = Bytes.request(
      TypeURL.endpoint, node: "vain", unsubscribe: (0..<200_000).map { "n\($0)" })
    let odd = Bytes.request(
      TypeURL.cluster, node: "odd",
      metadata: ["NAMESPACE": .string("No Namespace"), "WEIR_LISTEN": .number(1), "WEIR_KIND": .null])
    return [
      Attack(
        name: "resubscriptions", scripts: [everything + repeated(100, again)], chunk: 8_192,
        ending: .again(from: everything.count)),
      Attack(
        name: "stale-nonces", scripts: [everything + repeated(100, stale)], ending: .again(from: everything.count)),
      Attack(name: "refusals", scripts: [everything], ending: .hold, answer: .refusing),
      Attack(name: "combining-marks", scripts: marks.map { calls(4, $0) }, chunk: 65_536),
      Attack(name: "colliding-claims", scripts: claims.map { Bytes.preface + Bytes.call(1) + Bytes.message(1, $0) }),
      Attack(name: "ack-loops", scripts: [wideOpen], ending: .hold, answer: .acceptingAndAskingForMore),
      Attack(name: "class-flapping", scripts: flapping, chunk: flapping[0].count / 200, turn: 10),
      Attack(name: "new-classes", scripts: strangers),
      Attack(
        name: "unsubscribe-in-vain",
        scripts: [streams(2) { Bytes.call($0) } + repeated(2, Bytes.message(1, inVain) + Bytes.message(3, inVain))],
        chunk: 65_536, ending: .close),
      Attack(name: "odd-nodes", scripts: [calls(50, odd)]),
    ]
  }

  // MARK: Patience

  private static func patience() -> [Attack] {
    let field = Bytes.indexedField("x", String(repeating: "b", count: 3_900))
    let everything =
      Bytes.preface + Bytes.call(1)
      + subscribed("slow", types: [TypeURL.cluster, TypeURL.listener])
      + Bytes.message(
        1,
        Bytes.request(
          TypeURL.endpoint, node: nil, subscribe: (0..<100).map { "outbound|80||s\($0).shop.svc.cluster.local" }))
    return [
      // It does nothing wrong, but that it never goes: places for connections.
      Attack(name: "hoarding", scripts: [everything], ending: .hold),
      Attack(name: "half-open", scripts: [[]], ending: .hold),
      Attack(name: "half-open-preface", scripts: [Bytes.preface], ending: .hold),
      // Calls without a request: neither idle nor in a handshake. Each has as many fields as may be, sent once and named again.
      Attack(
        name: "silent-calls",
        scripts: [
          streams(100) {
            Bytes.frame(
              .headers, flags: Bytes.endHeaders, stream: $0,
              Bytes.head() + ($0 == 1 ? field : [0xBE]) + [0xBE, 0xBE, 0xBE])
          }
        ],
        ending: .hold),
      Attack(name: "slow-loris", scripts: [everything], chunk: 1, turn: 1_000, ending: .hold),
      Attack(name: "slow-reader", scripts: [everything], reading: .slowly(16), ending: .hold, receiveBuffer: 2_048),
      Attack(name: "no-reader", scripts: [everything], reading: .nothing, ending: .hold, receiveBuffer: 2_048),
      Attack(name: "connect-abort", scripts: [[]], ending: .abort, pause: 250),
      Attack(name: "connect-close", scripts: [Bytes.preface], ending: .close, pause: 250),
      Attack(name: "subscribe-abort", scripts: [everything], ending: .abort, pause: 250),
    ]
  }
}

/// Random numbers that come again with their seed (SplitMix64).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
