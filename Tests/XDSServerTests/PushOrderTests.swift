import Testing
import XDSSnapshot

@testable import XDSServer

/// The streams of a loop as a publication goes through them, and what is fetched ahead for each.
@Suite(.timeLimit(.minutes(1))) struct PushOrderTests {
  /// Whoever leaves gives its place to the last one; nobody is passed over, and nobody told twice.
  @Test(arguments: [[0], [4], [2, 2], [0, 3], [1, 0, 2], [4, 3, 2, 1]])
  func thoseWhoStayAreToldWhoeverLeaves(_ leaving: [Int]) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      var streams: [RawStream] = []
      for _ in 0..<5 {
        let stream = try await server.open(.delta)
        try await stream.sync()
        streams.append(stream)
      }
      var version = 1
      for place in leaving {
        let leaver = streams.remove(at: place)
        leaver.end()
        #expect(try await leaver.status().code == .ok)
        version += 1
        world.endpoint("a", version: version)
        server.xds.publish(world.generation())
        for stream in streams {
          let told = try await stream.next()
          #expect(told.type == .endpoint && told.text == "E a \(version)")
          stream.ack(told)
        }
      }
      for stream in streams { stream.close() }
    }
  }

  @Test func everyLineThatTheBytesTouchIsFetchedOnce() {
    var places = MemoryPlaces()
    places.add(UnsafeRawPointer(bitPattern: 0x1_0000)!, 64)
    places.add(UnsafeRawPointer(bitPattern: 0x2_0030)!, 17)
    places.add(UnsafeRawPointer(bitPattern: 0x3_0038)!, 8)
    var lines: [UInt] = []
    places.forEachLine { lines.append($0) }
    #expect(lines == [0x1_0000, 0x2_0000, 0x2_0040, 0x3_0000])
  }

  /// The low bits of an address hold no more.
  @Test func aRunHasSixtyThreeLinesAtMost() {
    var places = MemoryPlaces()
    places.add(UnsafeRawPointer(bitPattern: 0x1_0000)!, 1 << 20)
    var count = 0
    places.forEachLine { _ in count += 1 }
    #expect(count == 63)
  }
}
