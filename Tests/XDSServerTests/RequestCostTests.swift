import Glibc
import Testing
import XDSSnapshot

@testable import XDSServer

/// What a small request costs does not depend on how much its client has asked for before: else a client that sends a few kB
/// keeps an event loop busy for seconds. The same is done with N and with 10 N; a cost that is linear in N shows as a ratio of 10.
@Suite(.serialized) struct RequestCostTests {
  private static let size = 300
  private static let requests = 100
  private static let bound = 4.0

  /// The processor time of this thread, in seconds.
  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// How much more small requests cost with ten times as much. The least of some rounds each: whatever disturbs adds.
  ///
  /// - Parameter prepare: brings a stream to a state of a size.
  private func ratio(
    _ prepare: (Int) -> TestStream, _ request: (TestStream, Int) -> Void
  ) -> Double {
    func cost(_ size: Int) -> Double {
      (0..<3).map { _ in
        let stream = prepare(size)
        request(stream, -1)
        let start = Self.now
        for index in 0..<Self.requests { request(stream, index) }
        return Self.now - start
      }.min() ?? 0
    }
    let (few, many) = (cost(Self.size), cost(10 * Self.size))
    return many / few
  }

  private static func world() -> World {
    var world = World()
    world.cluster("a")
    world.host("x", ["a"])
    return world
  }

  private static func names(_ count: Int) -> [String] { (0..<count).map { "n\($0)" } }

  /// A stream that has asked for endpoints without end, while it does not answer.
  private static func owing(_ size: Int) -> TestStream {
    var world = world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    stream.subscribe(.endpoint, ["q"])
    stream.subscribe(.endpoint, names(size))
    #expect(stream.session[.endpoint].inFlight != nil)
    return stream
  }

  @Test func askingForAName() {
    #expect(ratio(Self.owing) { stream, index in stream.subscribe(.endpoint, ["z\(index)"]) } < Self.bound)
  }

  @Test func givingUpAName() {
    #expect(ratio(Self.owing) { stream, index in _ = stream.unsubscribe(.endpoint, ["n\(index + 1)"]) } < Self.bound)
  }

  /// A client that says that it holds clusters which were never there: they stay as long as its routes may name them.
  private static func claiming(_ size: Int) -> TestStream {
    var world = world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    var versions = world.clusters["a"].map { ["a": $0.version] } ?? [:]
    for name in names(size) { versions[name] = "0" }
    stream.subscribe(.cluster, holding: versions)
    stream.subscribe(.endpoint, ["q"])
    stream.subscribe(.route, ["q"])
    #expect(stream.session[.cluster].held.count == size)
    return stream
  }

  @Test(arguments: [ResourceType.endpoint, .route])
  func askingWhileMuchIsHeld(_ type: ResourceType) {
    #expect(ratio(Self.claiming) { stream, index in stream.subscribe(type, ["z\(index)"]) } < Self.bound)
  }

  /// Clusters have gone that a route of the client names still, and it has named very many routes.
  @Test func askingWithManyRoutesWhileClustersAreHeld() {
    let ratio = ratio({ size in
      var world = Self.world()
      for index in 0..<50 { world.cluster("c\(index)") }
      world.host("y", (0..<50).map { "c\($0)" })
      let stream = TestStream.synced(.delta, &world)
      stream.subscribe(.route, Self.names(size))
      world.removeHost("y")
      for index in 0..<50 { world.removeCluster("c\(index)") }
      _ = stream.publish(&world)
      #expect(stream.session[.cluster].held.count == 50)
      return stream
    }) { stream, index in stream.subscribe(.route, ["z\(index)"]) }
    #expect(ratio < Self.bound)
  }

  /// Much is refused, one half after the other, and the client goes on repeating its last answer.
  @Test func repeatingAnAnswerWhileMuchIsRefused() {
    let ratio = ratio({ size in
      var world = Self.world()
      for name in Self.names(size) { world.cluster(name, endpoints: nil) }
      let stream = TestStream(.delta)
      _ = stream.publish(&world)
      stream.subscribe(.cluster)
      for _ in 0..<Quarantine.limit { _ = stream.nack(.cluster) }
      return stream
    }) { stream, _ in _ = stream.answer(.cluster, error: "no") }
    #expect(ratio < Self.bound)
  }
}
