import EnvoyAPI
import GRPCTransport
import NIOCore
import Synchronization
import Testing
import XDSSnapshot

@testable import XDSServer

/// What streams may ask for, over real sockets.
@Suite(.timeLimit(.minutes(1))) struct LimitTests {
  private func world(clusters: Int, bytes: Int = 10) -> World {
    var world = World()
    for index in 0..<clusters {
      world.cluster("c\(index)")
      world.endpoints.set(Resource(name: "c\(index)", bytes: [UInt8](repeating: 65, count: bytes)))
    }
    return world
  }

  @Test func requestsBeyondTheRateWaitAndNoneIsLost() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 100, requestBurst: 5)) { server in
      var world = world(clusters: 20)
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      for index in 0..<20 { stream.subscribe(.endpoint, ["c\(index)"]) }
      var count = 0
      while count < 20 {
        let response = try await stream.next()
        count += response.count
        stream.ack(response)
      }
      #expect(count == 20)
      #expect(await server.xds.metrics().throttledRequests >= 1)
      stream.close()
    }
  }

  @Test func asManyRequestsAsTheBurstDoNotWaitAndAnswersAreFree() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 1, requestBurst: 5)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      try await stream.sync()
      for version in 2..<52 {
        world.endpoint("a", version: version)
        server.xds.publish(world.generation())
        stream.ack(try await stream.next())
      }
      #expect(await server.xds.metrics().throttledRequests == 0)
      stream.close()
    }
  }

  /// An answer that changes the subscription owes a response, whose answer may do so again: without end, if it were free.
  @Test(arguments: XDSProtocol.allCases) func anAnswerThatAsksForMoreIsARequest(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 20, requestBurst: 5)) { server in
      var world = world(clusters: 30)
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, ["c0"])
      var answered = try await stream.next()
      for index in 1..<30 {
        stream.acknowledge(answered, adding: ["c\(index)"])
        answered = try await stream.next()
      }
      let metrics = await server.xds.metrics()
      #expect(metrics.throttledRequests >= 10)
      #expect(metrics.types[.endpoint]?.acks == 29)
      stream.close()
    }
  }

  /// Both ways of reading a long list and a short one.
  @Test(arguments: [3, 3000]) func anAnswerWithTheSameListIsFree(names: Int) async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 1, requestBurst: 10)) { server in
      var world = world(clusters: names)
      server.xds.publish(world.generation())
      let stream = try await server.open(.stateOfTheWorld)
      stream.subscribe(.endpoint, (0..<names).map { "c\($0)" })
      stream.ack(try await stream.next())
      for version in 2..<52 {
        world.endpoint("c0", version: version)
        server.xds.publish(world.generation())
        stream.ack(try await stream.next())
      }
      #expect(await server.xds.metrics().throttledRequests == 0)
      stream.close()
    }
  }

  /// A gRPC client whose list grows as it goes through its routes.
  @Test func aListThatGrowsToThousandsAtTheStartIsNotThrottled() async throws {
    try await withServer { server in
      var world = world(clusters: 2000)
      server.xds.publish(world.generation())
      let stream = try await server.open(.stateOfTheWorld)
      stream.subscribe(.endpoint, ["c0"])
      var answered = try await stream.next()
      for step in 0..<100 {
        stream.acknowledge(answered, adding: (1...20).map { "c\(step * 20 + $0)" })
        answered = try await stream.next()
      }
      stream.ack(answered)
      #expect(await server.xds.metrics().throttledRequests == 0)
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases) func anAnswerIsChargedForItsBytes(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 100, requestBurst: 5)) { server in
      var world = world(clusters: 1)
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, ["c0"])
      stream.acknowledge(
        try await stream.next(), refusing: String(repeating: "no", count: 10 * RequestBudget.costlyBytes))
      await server.until { $0.throttledRequests == 1 }
      #expect(await server.xds.metrics().types[.endpoint]?.nacks == 1)
      stream.close()
    }
  }

  /// The answer to a few bytes may be the whole table, made for one stream alone.
  @Test func whoAsksForEverythingOnceMorePaysForTheAnswer() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 10, requestBurst: 50)) { server in
      var world = World()
      for index in 0..<3000 { world.cluster("c\(index)") }
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      stream.subscribe(.cluster)
      var all = try await stream.next()
      #expect(all.count == 3000)
      #expect(await server.xds.metrics().throttledRequests == 0)
      for _ in 0..<2 {
        stream.ack(all)
        stream.subscribe(.cluster, ["*"])
        all = try await stream.next()
        #expect(all.count == 3000)
      }
      await server.until { $0.throttledRequests == 1 }
      stream.close()
    }
  }

  /// Others behind the same address did nothing.
  @Test func aBurstMakesNobodySuspect() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 100, requestBurst: 5)) { server in
      var world = world(clusters: 40)
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      for index in 0..<40 { stream.subscribe(.endpoint, ["c\(index)"]) }
      await server.until { $0.throttledRequests >= 10 }
      #expect(!server.grpc.distrusts("127.0.0.1"))
      stream.close()
    }
  }

  /// A stream that asks without end waits, and the one beside it on the same event loop does not.
  @Test func aStreamThatAsksTooMuchDelaysItselfOnly() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 1, requestBurst: 10)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let bystander = try await server.open(.delta)
      try await bystander.sync()
      let busy = try await server.open(.delta)
      for _ in 0..<5000 { busy.sendUnknownType() }
      for version in 2..<12 {
        world.endpoint("a", version: version)
        server.xds.publish(world.generation())
        let sent = try await bystander.next()
        #expect(sent.text == "E a \(version)")
        bystander.ack(sent)
      }
      let metrics = await server.xds.metrics()
      #expect(metrics.throttledRequests >= 1)
      // The burst, the one that overdrew, and at most one for each second that this takes.
      #expect(metrics.unknownTypeRequests < 1000)
      busy.close()
      bystander.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aSubscriptionOfTheLimitPassesAndOneNameMoreDoesNot(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(maximumSubscription: 3)) { server in
      var world = world(clusters: 4)
      server.xds.publish(world.generation())
      let fits = try await server.open(variant)
      fits.subscribe(.endpoint, ["c0", "c1", "c2"])
      #expect(try await fits.next().count == 3)
      #expect(await server.xds.metrics().limitedStreams[.subscription] == nil)
      let over = try await server.open(variant)
      over.subscribe(.endpoint, ["c0", "c1", "c2", "c3"])
      let status = try await over.status()
      #expect(status.code == .resourceExhausted)
      #expect(status.message.contains("more than 3 names"))
      #expect(await server.xds.metrics().limitedStreams[.subscription] == 1)
      fits.close()
    }
  }

  @Test func classesBeyondTheLimitAreRefused() async throws {
    let count = Atomic(0)
    try await withServer(
      limits: XDSLimits(maximumClasses: 1),
      classify: { _ in
        ProxyClass(
          namespace: "n\(count.add(1, ordering: .relaxed).newValue)", listenHost: "127.0.0.1", listenPort: 15001)
      }
    ) { server in
      let first = try await server.open(.delta)
      first.subscribe(.cluster)
      first.sendUnknownType()
      let second = try await server.open(.delta)
      // The first stream is here when its second request was counted.
      await server.until { $0.unknownTypeRequests >= 1 }
      second.subscribe(.cluster)
      #expect(try await second.status().code == .resourceExhausted)
      #expect(await server.xds.metrics().limitedStreams[.classes] == 1)
      #expect(await server.xds.metrics().classes == 1)
      #expect(!server.grpc.distrusts("127.0.0.1"), "others have used them up")
      first.close()
    }
  }

  /// Responses that differ from stream to stream are held up to the limit; those that are the same count once.
  @Test func responsesAreHeldUpToTheLimitAndSharedOnesCountOnce() async throws {
    let memory = BufferAccount(limit: 1 << 20)
    try await withServer(memory: memory) { server in
      var world = world(clusters: 4, bytes: 400_000)
      server.xds.publish(world.generation())
      var same: [RawStream] = []
      for _ in 0..<8 {
        let stream = try await server.open(.delta)
        stream.subscribe(.endpoint, ["c0"])
        #expect(try await stream.next().count == 1)
        same.append(stream)
      }
      #expect(memory.bytes > 400_000 && memory.bytes < 500_000)
      // Not accepted by anybody yet: there is no room for a third.
      let other = try await server.open(.delta)
      other.subscribe(.endpoint, ["c1"])
      #expect(try await other.status().code == .resourceExhausted)
      #expect(await server.xds.metrics().limitedStreams[.bufferMemory] == 1)
      // What is only kept for others makes room when it is needed.
      for stream in same { stream.close() }
      await server.until { $0.streams[.delta] == 0 }
      let next = try await server.open(.delta)
      next.subscribe(.endpoint, ["c2"])
      #expect(try await next.next().count == 1)
      next.close()
      await server.until { $0.streams[.delta] == 0 }
      #expect(memory.bytes < 500_000)
    }
  }

  /// Names count too, each set once.
  @Test func subscriptionsAreHeldUpToTheLimit() async throws {
    let memory = BufferAccount(limit: 1 << 20)
    try await withServer(memory: memory) { server in
      let first = try await server.open(.delta)
      first.subscribe(.endpoint, (0..<3000).map { "a\($0)" })
      let twin = try await server.open(.delta)
      twin.subscribe(.endpoint, (0..<3000).map { "a\($0)" })
      await server.until { $0.types[.endpoint]?.requests ?? 0 >= 2 }
      #expect(memory.bytes == 3000 * NameSet.bytesPerName + 2 * StreamHoldings.bytesPerStream)
      let second = try await server.open(.delta)
      second.subscribe(.endpoint, (0..<3000).map { "b\($0)" })
      #expect(try await second.status().code == .resourceExhausted)
      first.close()
      twin.close()
      await server.until { $0.streams[.delta] == 0 }
      // What is remembered of proxies that have left goes with time.
      server.xds.departures.forget(at: .now() + .hours(1))
      #expect(memory.bytes == 0)
    }
  }

  /// Long names count by their bytes, however few they are.
  @Test(arguments: XDSProtocol.allCases) func fewLongNamesAreHeldUpToTheLimit(_ variant: XDSProtocol) async throws {
    let memory = BufferAccount(limit: 1 << 20)
    func names(_ stream: Int) -> [String] {
      (0..<60).map { "\(stream)-\($0)-" + String(repeating: "x", count: 4000) }
    }
    try await withServer(memory: memory) { server in
      var open: [RawStream] = []
      for index in 0..<2 {
        let stream = try await server.open(variant)
        stream.subscribe(.endpoint, names(index))
        await server.until { $0.types[.endpoint]?.requests ?? 0 >= index + 1 }
        open.append(stream)
      }
      #expect(
        memory.bytes
          == (names(0) + names(1)).reduce(2 * StreamHoldings.bytesPerStream) { $0 + 64 + $1.utf8.count })
      let over = try await server.open(variant)
      over.subscribe(.endpoint, names(2))
      #expect(try await over.status().code == .resourceExhausted)
      #expect(!server.grpc.distrusts("127.0.0.1"), "others have used it up")
      for stream in open { stream.close() }
      await server.until { $0.streams[variant] == 0 }
      server.xds.departures.forget(at: .now() + .hours(1))
      #expect(memory.bytes == 0)
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aNameOfTheGreatestLengthPassesAndALongerOneDoesNot(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      let longest = String(repeating: "x", count: XDSLimits.maximumNameLength)
      let fits = try await server.open(variant)
      fits.subscribe(.endpoint, [longest])
      await server.until { $0.types[.endpoint]?.requests == 1 }
      func expectRefused(_ stream: RawStream) async throws {
        let status = try await stream.status()
        #expect(status.code == .invalidArgument && status.message.contains("at most 4096 bytes"))
      }
      let over = try await server.open(variant)
      over.subscribe(.endpoint, [longest + "x"])
      try await expectRefused(over)
      if variant == .delta {
        let unsubscribing = try await server.open(variant)
        unsubscribing.unsubscribe(.endpoint, [longest + "x"])
        try await expectRefused(unsubscribing)
        // So many, and so much, that another thread looks through it.
        let giving = try await server.open(variant)
        giving.unsubscribe(.endpoint, (0..<10_000).map { "name-\($0)" } + [longest + "x"])
        try await expectRefused(giving)
        let claiming = try await server.open(variant)
        var request = DeltaDiscoveryRequest()
        request.initialResourceVersions = [longest + longest: "1"]
        claiming.send(request, .endpoint)
        try await expectRefused(claiming)
      }
      fits.close()
    }
  }

  /// What is unsubscribed from in vain is passed over, and the rest of the request counts.
  @Test func manyUnsubscriptionsInVainHideNothing() async throws {
    try await withServer { server in
      var world = world(clusters: 3)
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      stream.subscribe(.endpoint, ["c0", "c1"])
      stream.ack(try await stream.next())
      var request = DeltaDiscoveryRequest()
      request.resourceNamesUnsubscribe = (0..<2000).map { "unknown-\($0)" } + ["c0"]
      request.resourceNamesSubscribe = ["c2"]
      stream.send(request, .endpoint)
      let added = try await stream.next()
      #expect(added.resources.map(\.name) == ["c2"])
      stream.ack(added)
      for name in ["c0", "c1", "c2"] { world.endpoints.set(Resource(name: name, bytes: [66, 66])) }
      server.xds.publish(world.generation())
      #expect(Set(try await stream.next().resources.map(\.name)) == ["c1", "c2"])
      // What is no text is refused there as anywhere.
      var bytes = request.encoded()
      let place = try #require(bytes.indices.first { bytes[$0...].starts(with: "unknown-1999".utf8) })
      bytes[place] = 0xff
      stream.send(bytes: bytes)
      var status: GRPCStatus?
      do { while true { _ = try await stream.next() } } catch let closed as RawStream.Closed { status = closed.status }
      #expect(status?.code == .invalidArgument)
    }
  }

  /// One address brings what it has namespaces, and when nearly all classes are in use no more than half: the rest is there for others.
  @Test func oneAddressDoesNotUseUpTheClasses() {
    var classes = ClassesInUse()
    let limits = XDSLimits(maximumClasses: 10)
    func proxyClass(_ name: String) -> ProxyClass {
      ProxyClass(namespace: name, listenHost: "127.0.0.1", listenPort: 15001)
    }
    func joins(_ name: String, _ network: [UInt8]?) -> Bool {
      if case .refused = classes.joined(proxyClass(name), from: network, limits) { false } else { true }
    }
    for index in 0..<9 { #expect(joins("\(index)", [1])) }
    #expect(!joins("a", [1]))
    #expect(joins("0", [1]), "a class that is there is open to all")
    #expect(joins("a", [2]) && joins("a", [1]) && !joins("b", nil) && classes.count == 10)
    #expect(!classes.left(proxyClass("0")) && classes.left(proxyClass("0")))
    #expect(!joins("b", [1]) && joins("b", nil) && classes.left(proxyClass("b")))
    for index in 1..<5 {
      let isLast = classes.left(proxyClass("\(index)"))
      #expect(isLast)
    }
    #expect(joins("c", [1]) && joins("d", [1]))
  }

  /// A client that does not read holds up nobody, and does not keep what was sent to the others since.
  @Test func aSlowReaderCostsItselfOnly() async throws {
    let memory = BufferAccount()
    try await withServer(memory: memory) { server in
      var world = world(clusters: 1, bytes: 300_000)
      server.xds.publish(world.generation())
      let slow = try await server.open(.delta)
      slow.pauseReading()
      slow.subscribe(.endpoint, ["c0"])
      await server.until { $0.types[.endpoint]?.pushes ?? 0 >= 1 }
      let fast = try await server.open(.delta)
      fast.subscribe(.endpoint, ["c0"])
      fast.ack(try await fast.next())
      for version in 0..<30 {
        world.endpoints.set(Resource(name: "c0", bytes: [UInt8](repeating: UInt8(100 + version), count: 300_000)))
        server.xds.publish(world.generation())
        fast.ack(try await fast.next())
      }
      // 31 versions of 300 kB were made. One waits for the slow one, and those of the last publications are kept.
      #expect(memory.bytes < 5 * 310_000)
      let metrics = await server.xds.metrics()
      #expect(metrics.types[.endpoint]?.pushes == 32)
      slow.close()
      fast.close()
    }
  }
}

extension RawStream {
  /// An ACK, or a NACK with a reason, that subscribes to more at the same time.
  fileprivate func acknowledge(_ received: Received, adding names: [String] = [], refusing reason: String? = nil) {
    guard let type = received.type else { return }
    lists[type, default: []] += names
    let error = reason.map { ErrorDetail(code: 13, message: $0) }
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.responseNonce = received.nonce
      request.resourceNamesSubscribe = names
      request.errorDetail = error
      send(request, type)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.versionInfo = received.version
      request.responseNonce = received.nonce
      request.errorDetail = error
      send(request, type)
    }
  }
}

extension RunningServer {
  /// Waits until the server has counted something; gives up after twenty seconds.
  func until(_ condition: (XDSMetrics) -> Bool) async {
    let end = ContinuousClock.now + .seconds(20)
    repeat {
      if condition(await xds.metrics()) { return }
    } while .now < end
    Issue.record("it did not happen")
  }
}

@Suite struct RequestBudgetTests {
  /// How long each of some requests at given seconds makes the stream wait, in seconds.
  private func waits(_ requests: [(second: Double, byteCount: Int)]) -> [Double] {
    var budget = RequestBudget(perSecond: 10, burst: 5)
    return requests.map { request in
      let cost = HeardRequest(receipt: .subscription).cost(byteCount: request.byteCount)
      let wait = budget.spend(cost) { .uptimeNanoseconds(UInt64(request.second * 1e9)) }
      return wait.map { (Double($0.nanoseconds) / 1e6).rounded() / 1e3 } ?? 0
    }
  }

  @Test func aBurstThenTheRate() {
    let burst = [(second: Double, byteCount: Int)](repeating: (1, 10), count: 6)
    #expect(waits(burst + [(1.2, 10), (1.2, 10)]) == [0, 0, 0, 0, 0, 0.1, 0, 0.1])
  }

  @Test func aLargeRequestIsPaidForAfterwards() {
    #expect(waits([(1, 100 * RequestBudget.costlyBytes)]) == [9.6])
  }

  /// Once a millisecond, as far as the waits allow.
  @Test func whoGoesOnAndOnOffends() async throws {
    var budget = RequestBudget(perSecond: 10, burst: 5)
    var time = NIODeadline.uptimeNanoseconds(1_000_000_000)
    let start = time
    var offences: [Double] = []
    while offences.count < 3, time < start + .minutes(5) {
      time = time + .milliseconds(1) + (budget.spend(1) { time } ?? .zero)
      if budget.becomesOffence() { offences.append(Double((time - start).nanoseconds) / 1e9) }
    }
    try #require(offences.count == 3)
    #expect((30...32).contains(offences[0]) && (35...37).contains(offences[1]) && (40...42).contains(offences[2]))
    #expect(budget.overdraft > RequestBudget.limit)
    // A pause, and it begins anew.
    for _ in 0..<10 { _ = budget.spend(1) { time + .seconds(10) } }
    #expect(budget.overdraft == .zero && !budget.becomesOffence())
  }

  /// It asks for just what it gets, and for a little more than that at the beginning and after a minute.
  @Test func whoSeldomWaitsOffendsNoMoreThanWhoAlwaysDoes() {
    var budget = RequestBudget(perSecond: 10, burst: 5)
    var time = NIODeadline.uptimeNanoseconds(1_000_000_000)
    for _ in 0..<6 { _ = budget.spend(1) { time } }
    time = time + .milliseconds(200)
    for _ in 0..<600 {
      time = time + .milliseconds(100)
      _ = budget.spend(1) { time }
    }
    var offences = budget.becomesOffence() ? 1 : 0
    #expect(offences == 0 && budget.overdraft < .seconds(1))
    for _ in 0..<10 {
      _ = budget.spend(1) { time }
      if budget.becomesOffence() { offences += 1 }
    }
    #expect(offences == 1 && budget.overdraft > .seconds(60))
  }

  @Test func silenceEarnsNoMoreThanABurst() {
    let later = [(second: Double, byteCount: Int)](repeating: (1000, 10), count: 20)
    #expect(waits([(0, 10)] + later).prefix { $0 == 0 }.count <= 10)
  }
}
