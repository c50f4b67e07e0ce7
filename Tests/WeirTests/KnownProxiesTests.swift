import Foundation
import Logging
import StateStore
import Synchronization
import Testing
import TrafficModel
import XDSServer
import XDSSnapshot

@testable import Weir

/// What a process leaves to the next.
@Suite(.timeLimit(.minutes(1))) struct KnownProxiesTests {
  private final class Directory {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func proxy(_ node: String, type: ResourceType? = nil) -> KnownProxy {
    KnownProxy(
      nodeID: node, proxyClass: ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15_001),
      variant: .stateOfTheWorld, onlyType: type, remoteAddress: "10.0.0.1:1")
  }

  private func open(_ directory: Directory, now: UInt64 = 1_700_000_000) throws -> KnownProxies {
    let store = try ContinuityStore(directory: directory.path)
    return KnownProxies(store, try store.load(), now: now, logger: logger)
  }

  @Test func whoWasKnownIsKnownToTheNextProcess() async throws {
    let directory = Directory()
    do {
      let known = try open(directory)
      #expect(known.before.isEmpty && known.generationsBegin == 0 && !known.mayHaveStrangers)
      known.begin()
      for proxy in [proxy("a"), proxy("a", type: .route), proxy("b"), proxy("c")] { known.note(proxy.key, proxy) }
      known.note(proxy("c").key, nil)
      await known.finish()
      known.note(slices: [proxy("a").key: ["shop/a-1"], proxy("c").key: ["shop/c-1"]])
      known.note(proxy("b").key, nil)
      await known.finish()
      // What it has begun on its queue may hold it for a moment longer.
      known.close()
    }
    let next = try open(directory)
    #expect(next.before.map(\.proxy) == [proxy("a"), proxy("a", type: .route)])
    #expect(next.before.map(\.slices) == [["shop/a-1"], []])
  }

  @Test func generationsCountOnFromWhatWasReserved() async throws {
    let directory = Directory()
    var begin: [UInt64] = []
    for generations in [3, 400, 1700] as [UInt64] {
      let known = try open(directory)
      known.begin()
      begin.append(known.generationsBegin)
      // As they are made, with the disk keeping up.
      for number in 1...generations {
        known.note(generation: known.generationsBegin + number)
        if number % 100 == 0 { await known.finish() }
      }
      await known.finish()
      known.close()
    }
    begin.append(try open(directory).generationsBegin)
    #expect(begin == [0, 1001, 2002, 5003])
  }

  @Test func whereTheCountIsLostItGoesOnFromAHigherOne() throws {
    let directory = Directory()
    do {
      let known = try open(directory)
      known.begin()
      known.close()
    }
    try Data(repeating: 1, count: 4096).write(to: URL(fileURLWithPath: directory.path + "/continuity.sqlite"))
    let known = try open(directory)
    #expect(known.generationsBegin == 1_700_000_001 && known.mayHaveStrangers)
    #expect(KnownProxies(nil, Continuity(), now: 5, logger: logger).mayHaveStrangers)
  }

  /// One task keeps what is noted, and tells of it, also when the disk fails at first.
  @Test func whatCannotBeKeptIsTriedAgain() async throws {
    let directory = Directory()
    let known = try open(directory)
    try FileManager.default.removeItem(atPath: directory.path)
    try Data().write(to: URL(fileURLWithPath: directory.path))
    let path = directory.path
    let (told, tell) = AsyncStream.makeStream(of: [String].self)
    let failures = Mutex(0)
    let running = Task {
      await known.run { delay in
        if delay == KnownProxies.retryDelay { failures.withLock { $0 += 1 } }
        // There is room for the directory again.
        var isDirectory: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
          try FileManager.default.removeItem(atPath: path)
        }
      } _: { arrived, forgotten in
        tell.yield(arrived.map(\.nodeID) + forgotten.map { "-" + $0.nodeID })
        return .zero
      }
    }
    known.note(proxy("a").key, proxy("a"))
    var news = told.makeAsyncIterator()
    #expect(await news.next() == ["a"])
    #expect(failures.withLock { $0 } > 0)
    known.note(proxy("a").key, nil)
    #expect(await news.next() == ["-a"])
    running.cancel()
    await running.value
  }

  /// The disk waits for nobody who is told, however long that takes: who comes meanwhile is known after a kill, and no number is
  /// given out twice. What was told rests five times as long.
  @Test func whatIsKeptWaitsForNobodyWhoIsTold() async throws {
    let directory = Directory()
    let known = try open(directory)
    known.begin()
    let (told, tell) = AsyncStream.makeStream(of: [String].self)
    let (answers, answer) = AsyncStream.makeStream(of: Duration.self)
    let (pauses, pause) = AsyncStream.makeStream(of: Duration.self)
    let (turns, turn) = AsyncStream.makeStream(of: Void.self)
    let running = Task {
      await known.run { delay in
        pause.yield(delay)
        if delay == KnownProxies.interval {
          for await _ in turns { return }
        } else {
          try await Task.sleep(for: .seconds(3600))
        }
      } _: { arrived, forgotten in
        tell.yield(arrived.map(\.nodeID) + forgotten.map { "-" + $0.nodeID })
        for await time in answers { return time }
        return .zero
      }
    }
    var news = told.makeAsyncIterator()
    var kept = pauses.makeAsyncIterator()
    known.note(proxy("a").key, proxy("a"))
    #expect(await news.next() == ["a"])
    #expect(await kept.next() == KnownProxies.interval)
    // Nobody has answered yet.
    for number in 1...600 as ClosedRange<UInt64> { known.note(generation: known.generationsBegin + number) }
    known.note(proxy("b").key, proxy("b"))
    turn.yield()
    #expect(await kept.next() == KnownProxies.interval)
    answer.yield(.seconds(4))
    #expect(await kept.next() == .seconds(4) * KnownProxies.rest)
    running.cancel()
    await running.value
    known.close()
    let next = try open(directory)
    #expect(next.before.map(\.proxy) == [proxy("a"), proxy("b")])
    #expect(next.generationsBegin > 1001)
  }

  private struct Told: Sendable {
    var arrived: [KnownProxy]
    var forgotten: [KnownProxy.Key]
  }

  /// Both are told of who is forgotten and comes back while somebody else is told of: where it is an endpoint is to be found anew, for
  /// nobody knows it any more.
  @Test func whoIsForgottenAndComesBackIsFoundAnew() async throws {
    let directory = Directory()
    let known = try open(directory)
    known.begin()
    let (told, tell) = AsyncStream.makeStream(of: Told.self)
    let (answers, answer) = AsyncStream.makeStream(of: Void.self)
    let (pauses, pause) = AsyncStream.makeStream(of: Void.self)
    let (turns, turn) = AsyncStream.makeStream(of: Void.self)
    let running = Task {
      await known.run { delay in
        // Whoever was told rests longer, and that is not waited for.
        guard delay == KnownProxies.interval else { return }
        pause.yield()
        for await _ in turns { return }
      } _: { arrived, forgotten in
        tell.yield(Told(arrived: arrived, forgotten: forgotten))
        for await _ in answers { break }
        return .seconds(4)
      }
    }
    var news = told.makeAsyncIterator()
    var kept = pauses.makeAsyncIterator()
    func note(_ proxy: KnownProxy, isHere: Bool) async {
      known.note(proxy.key, isHere ? proxy : nil)
      await kept.next()
      turn.yield()
    }
    var places = ProxyPlaces()
    let slice = EndpointSlice(
      id: NamespacedName(namespace: "shop", name: "s-1"), service: "reviews", ports: [],
      endpoints: [.init(addresses: ["10.0.0.7"], pod: NamespacedName(namespace: "shop", name: "a"))])
    _ = places.take([.upsert(.endpointSlice(slice))])
    func follow(_ told: Told?) throws {
      let told = try #require(told)
      places.forget(told.forgotten)
      known.note(slices: places.follow(told.arrived.map { (proxy: $0, slices: []) }) { _ in slice }.slices)
    }

    await note(proxy("a"), isHere: true)
    try follow(await news.next())
    answer.yield()
    // What was found is kept too.
    await kept.next()
    turn.yield()
    await note(proxy("b"), isHere: true)
    _ = await news.next()
    // Nobody has answered yet.
    await note(proxy("a"), isHere: false)
    await note(proxy("a"), isHere: true)
    await note(proxy("c"), isHere: true)
    await note(proxy("c"), isHere: false)
    answer.yield()
    let both = await news.next()
    #expect(both?.arrived == [proxy("a")])
    #expect(Set(both?.forgotten ?? []) == [proxy("a").key, proxy("c").key])
    try follow(both)
    running.cancel()
    await running.value
    await known.finish()
    known.close()
    let before = try open(directory).before
    #expect(before.first { $0.proxy == proxy("a") }?.slices == ["shop/s-1"])
  }
}
