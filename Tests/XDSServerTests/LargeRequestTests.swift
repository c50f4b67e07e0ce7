import Foundation
import GRPCTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XDSSnapshot

@testable import XDSServer

/// Large requests do not hold up the event loop.
@Suite(.timeLimit(.minutes(1))) struct LargeRequestTests {
  /// More than 64 kB of them.
  private static func names(_ prefix: String) -> [String] {
    (0..<3000).map { "\(prefix)|80||service-\($0).default.svc.cluster.local" }
  }

  /// A thread for large requests that can be made to wait, and counts.
  private final class Elsewhere: Sendable {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let taken = Atomic(0)
    private let gate = DispatchSemaphore(value: 0)

    var choose: @Sendable (any EventLoop, Bool) -> (any EventLoop)? {
      { _, _ in
        self.taken.add(1, ordering: .relaxed)
        return self.group.next()
      }
    }

    /// All that is given to the thread waits until `open`.
    func close() { group.next().execute { self.gate.wait() } }
    func open() { gate.signal() }
  }

  private func withElsewhere(
    limits: XDSLimits = XDSLimits(), memory: BufferAccount = BufferAccount(),
    _ body: (RunningServer, Elsewhere) async throws -> Void
  ) async throws {
    let elsewhere = Elsewhere()
    try await withServer(limits: limits, memory: memory, largeRequests: elsewhere.choose) {
      try await body($0, elsewhere)
    }
    try await elsewhere.group.shutdownGracefully()
  }

  @Test(arguments: XDSProtocol.allCases)
  func itIsAnsweredLikeAnyOther(_ variant: XDSProtocol) async throws {
    try await withElsewhere { server, elsewhere in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      // The first of its stream, then one more, and then small ones.
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, Self.names("x") + ["a"])
      var sent = try await stream.next()
      #expect(sent.text == "E a 1" && sent.removed.count == (variant == .delta ? 3000 : 0))
      stream.ack(sent)
      stream.subscribe(.endpoint, Self.names("y") + ["b"])
      sent = try await stream.next()
      #expect(sent.text.contains("E b 1"))
      stream.ack(sent)
      #expect(elsewhere.taken.load(ordering: .relaxed) >= 2)
      world.endpoint("b", version: 2)
      server.xds.publish(world.generation())
      sent = try await stream.next()
      #expect(sent.text == "E b 2")
      stream.ack(sent)
      stream.close()
    }
  }

  /// There is nothing in it to do for the loop but to count.
  @Test func whatIsGivenBackInVainIsSortedOutThere() async throws {
    try await withElsewhere { server, elsewhere in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      stream.subscribe(.endpoint, ["a", "b"])
      stream.ack(try await stream.next())
      stream.unsubscribe(.endpoint, Self.names("x") + ["b"])
      stream.subscribe(.endpoint, ["gone"])
      let gone = try await stream.next()
      #expect(gone.removed == ["gone"])
      stream.ack(gone)
      #expect(elsewhere.taken.load(ordering: .relaxed) >= 1)
      world.endpoint("b", version: 2)
      world.endpoint("a", version: 2)
      server.xds.publish(world.generation())
      #expect(try await stream.next().text == "E a 2", "b was given back with the rest")
      stream.close()
    }
  }

  /// While the thread is busy the loop serves others, and what is published meanwhile is not lost.
  @Test(arguments: XDSProtocol.allCases)
  func theLoopGoesOnMeanwhile(_ variant: XDSProtocol) async throws {
    try await withElsewhere { server, elsewhere in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let bystander = try await server.open(variant, node: .init(id: "bystander"))
      try await bystander.sync()
      let stream = try await server.open(variant, node: .init(id: "large"))
      stream.subscribe(.endpoint, ["a"])
      stream.ack(try await stream.next())
      elsewhere.close()
      stream.subscribe(.endpoint, Self.names("x") + ["b"])
      for _ in 0..<20_000 where elsewhere.taken.load(ordering: .relaxed) == 0 { _ = await server.xds.metrics() }
      #expect(elsewhere.taken.load(ordering: .relaxed) == 1)
      for version in 2..<5 {
        world.endpoint("a", version: version)
        server.xds.publish(world.generation())
        let sent = try await bystander.next()
        #expect(sent.text == "E a \(version)")
        bystander.ack(sent)
      }
      // It is still there for whoever asks, as it was before.
      #expect(await server.xds.proxies().map(\.nodeID) == ["bystander", "large"])
      let pushes = await server.xds.metrics().types[.endpoint]?.pushes
      elsewhere.open()
      let first = try await stream.next()
      stream.ack(first)
      var texts = first.text
      // What was published meanwhile comes with the answer's ACK.
      if !texts.contains("E a 4") {
        let second = try await stream.next()
        texts += second.text
        stream.ack(second)
      }
      #expect(texts.contains("E b 1") && texts.contains("E a 4"))
      #expect(await server.xds.metrics().types[.endpoint]?.pushes ?? 0 > pushes ?? 0)
      stream.close()
      bystander.close()
    }
  }

  /// A message that waits for the thread is held by no call any more, that could be ended to make room for others.
  @Test func thoseOfClientsThatAreNotTrustedGoThereOneAtATime() async throws {
    try await withElsewhere { server, elsewhere in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      var streams: [RawStream] = []
      for _ in 0..<6 {
        // It carries no node.
        let bad = try await server.open(.delta, node: nil)
        bad.subscribe(.endpoint, ["a"])
        #expect(try await bad.status().code == .invalidArgument)
        streams.append(try await server.open(.delta, on: bad.client))
      }
      elsewhere.close()
      for stream in streams {
        stream.subscribe(.endpoint, ["a"])
        stream.ack(try await stream.next())
        stream.subscribe(.endpoint, Self.names("x") + ["b"])
      }
      // What comes later in the slow line has its turn.
      for stream in streams {
        let later = try await server.open(.delta, on: stream.client)
        for name in ["a", "b"] {
          later.subscribe(.endpoint, [name])
          later.ack(try await later.next())
        }
        later.close()
      }
      #expect(elsewhere.taken.load(ordering: .relaxed) == 1)
      elsewhere.open()
      for stream in streams { #expect(try await stream.next().text == "E b 1") }
      #expect(elsewhere.taken.load(ordering: .relaxed) == 6)
      for stream in streams { stream.close() }
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aStreamThatClosesMeanwhileLeavesNothing(_ variant: XDSProtocol) async throws {
    let memory = BufferAccount()
    try await withElsewhere(memory: memory) { server, elsewhere in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      elsewhere.close()
      stream.subscribe(.endpoint, Self.names("x") + ["a"])
      for _ in 0..<20_000 where memory.bytes <= XDSStream.largeRequest { _ = await server.xds.metrics() }
      #expect(memory.bytes > XDSStream.largeRequest, "it is charged as long as it waits")
      stream.close()
      await server.until { $0.streams[variant] == 0 }
      elsewhere.open()
      try await elsewhere.group.next().submit {}.get()
      for _ in 0..<20_000 where memory.bytes > 0 { _ = await server.xds.metrics() }
      #expect(memory.bytes == 0)
    }
  }

  /// To give the memory of some hundred thousand names back takes as long as to make them.
  @Test(arguments: XDSProtocol.allCases)
  func aStreamWithManyNamesEndsThere(_ variant: XDSProtocol) async throws {
    let memory = BufferAccount()
    try await withElsewhere(memory: memory) { server, elsewhere in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, Self.names("x") + ["a"])
      stream.ack(try await stream.next())
      elsewhere.close()
      stream.close()
      await server.until { $0.streams[variant] == 0 }
      #expect(await server.xds.metrics().largestClient == 0)
      #expect(memory.bytes >= 3001 * NameSet.bytesPerName, "they are there until the thread has time")
      elsewhere.open()
      try await elsewhere.group.next().submit {}.get()
      for _ in 0..<20_000 where memory.bytes >= 3001 * NameSet.bytesPerName { server.xds.forgetUnused() }
      #expect(memory.bytes < 3001 * NameSet.bytesPerName)
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func itsLimitsAreThoseOfAnyOther(_ variant: XDSProtocol) async throws {
    try await withElsewhere(limits: XDSLimits(maximumSubscription: 2000)) { server, elsewhere in
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, Self.names("x"))
      let status = try await stream.status()
      #expect(status.code == .resourceExhausted && status.message.contains("more than 2000 names"))
      #expect(await server.xds.metrics().limitedStreams == [.subscription: 1])
      #expect(elsewhere.taken.load(ordering: .relaxed) == 1)
    }
  }
}
