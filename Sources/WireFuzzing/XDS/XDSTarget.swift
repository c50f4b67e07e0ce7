internal import EnvoyAPI
internal import XDSSnapshot

extension FuzzTarget {
  /// Sequences of xDS requests from two clients of one server, over whole connections, while what is served changes. The
  /// input is a program of choices: any bytes are one. Those that begin with four bits set are of a crowd of four clients,
  /// which come back with what no server has ever given them, at one version, under names that have one hash, or are long
  /// texts in many scripts.
  ///
  /// While it runs, each response is checked against a model of the protocol (`ModelStream`). At the end all clients accept
  /// everything and subscribe to everything, and must hold what is served: nothing lost, nothing left over, no endless
  /// exchange.
  public static let xds = FuzzTarget(
    name: "xds", share: 100,
    generate: { random in
      var program = random.bytes(4 + random.below(random.oneIn(4) ? 250 : 60))
      if random.oneIn(3) { program[0] |= XDSRun.crowd }
      return program
    },
    run: { input in
      var run = try XDSRun(input)
      try run.go()
    })
}

private struct XDSRun {
  /// Set in the first byte.
  static let crowd: UInt8 = 0xF0

  private var program: ByteProgram
  private let world = ServedWorld.small()
  private let server: EmbeddedServer
  private let clients: [ModelClient]
  private let isCrowd: Bool

  /// Names that have one hash, that differ to a proxy alone, and that take long to compare: the last is more than is allowed.
  private static let oddNames =
    CollidingNames.all.prefix(4) + [
      "gone-a", "gone-b", "caf\u{E9}", "cafe\u{301}", "e" + String(repeating: "\u{301}\u{323}", count: 15),
      String(repeating: "\u{1F1E9}", count: 500), "e" + String(repeating: "\u{301}\u{323}", count: 500),
    ]

  init(_ input: [UInt8]) throws {
    program = ByteProgram(input)
    server = EmbeddedServer(world: world)
    let manner = program.byte()
    let server = self.server
    isCrowd = manner & Int(Self.crowd) == Int(Self.crowd)
    // The crowd's third and fourth speak delta.
    clients = try (isCrowd ? [0, 1, 4, 5] : [0, 1]).map { index in
      try ModelClient(server, isDelta: manner >> index & 1 == 1, cluster: manner >> (2 + index) & 1 == 1 ? "b" : "a")
    }
    for name in ServedWorld.clusterNames where program.oneIn(2) { world.setCluster(name, hasEndpoints: true) }
  }

  mutating func go() throws {
    defer { server.closeAll() }
    publish()
    for client in clients { try client.connect(claiming: false) }
    var steps = 0
    while !program.isAtEnd, steps < 200 {
      steps += 1
      try step()
    }
    try finish()
  }

  private func publish() { server.publish() }

  private mutating func step() throws {
    let client = clients[program.below(clients.count)]
    let type = ResourceType.allCases[program.below(4)]
    switch program.below(20) {
    case 0, 1, 2: try client.answer(type, accepting: true)
    case 3: try client.answer(type, accepting: false)
    case 4, 5: try client.subscribe(type, adding: names(type))
    case 6: try client.subscribe(type, removing: names(type))
    case 7: try client.subscribe(type, adding: names(type), removing: names(type))
    case 8: try client.subscribe(type, adding: ["*"])
    case 9: try client.subscribe(type, removing: ["*"])
    case 10: try client.repeatRequest(type, nonce: program.oneIn(2) ? .lastBefore : .garbage)
    case 11: try client.repeatRequest(type, nonce: .last)
    case 12: try client.disturb(program.below(4), program.take(8))
    case 13:
      let invented = isCrowd ? (0..<program.below(4)).map { _ in oddName(ofAllowed: true) } : []
      try client.reconnect(program.below(4), inventing: invented)
    case 14, 15:
      edit()
      publish()
    case 16: edit()
    case 17: publish()
    default: try client.acceptAll()
    }
    for client in clients { try client.exchange() }
  }

  private mutating func names(_ type: ResourceType) -> [String] {
    let known: [String] =
      switch type {
      case .cluster, .endpoint: ServedWorld.clusterNames
      case .listener: ServedWorld.listenerNames
      case .route, .virtualHost, .loneEndpoint: ServedWorld.routeNames
      }
    let count = 1 + program.below(3)
    return (0..<count).map { _ in
      switch program.below(16) {
      case 13: isCrowd ? oddName(ofAllowed: false) : "absent"
      case 14: String(repeating: "x", count: 40 * program.byte())
      case 15: ["é☃", " ", "**", "c0 ", "xdstp://a/b?c"][program.below(5)]
      case let choice: known[choice % known.count]
      }
    }
  }

  private mutating func oddName(ofAllowed isAllowed: Bool) -> String {
    Self.oddNames[program.below(Self.oddNames.count - (isAllowed ? 1 : 0))]
  }

  private mutating func edit() {
    // Some of one hash are served too.
    let cluster =
      isCrowd && program.oneIn(4) ? Self.oddNames[program.below(2)] : ServedWorld.clusterNames[program.below(6)]
    let route = ServedWorld.routeNames[program.below(2)]
    switch program.below(10) {
    case 0, 1: world.setCluster(cluster, hasEndpoints: true)
    case 2: world.setCluster(cluster, hasEndpoints: false)
    case 3: world.removeCluster(cluster)
    case 4: world.setEndpoints(cluster)
    case 5: world.removeEndpoints(cluster)
    case 6:
      let listener = ServedWorld.listenerNames[program.below(2)]
      if program.oneIn(3) { world.removeListener(listener) } else { world.setListener(listener) }
    case 7: if program.oneIn(3) { world.removeRoute(route) }
    default:
      world.setHost("h\(program.below(3))", of: route, clusters: [cluster, ServedWorld.clusterNames[program.below(6)]])
    }
  }

  // MARK: The end

  private mutating func finish() throws {
    // What a client has refused is not sent again until it changes.
    if clients.contains(where: \.hasRefused) { world.renewAll() }
    publish()
    try settle("at the end")
    world.removeCluster("c0")
    world.removeCluster("c3")
    world.setCluster("c5", hasEndpoints: true)
    world.setHost("h1", of: "r0", clusters: ["c5"])
    publish()
    try settle("after another change")
    for client in clients { client.close() }
    try server.checkClosed()
  }

  /// All clients accept and subscribe to everything until there is nothing more to answer.
  private func settle(_ when: String) throws {
    for client in clients {
      if !client.isOpen { try client.connect(claiming: false) }
      try client.exchange()
      try client.acceptAll()
      try client.subscribeToAll(world)
      var rounds = 0
      while try client.acceptAll() {
        rounds += 1
        try require(rounds < 60, "\(when): an endless exchange\n\(client.log)")
      }
      for type in ResourceType.allCases {
        let difference = client.difference(type, world.content(type))
        try require(difference == nil, "\(when): \(client) \(type): \(difference ?? "")\n\(client.log)")
      }
    }
  }
}
