import Foundation
import Testing
import XDSSnapshot

@testable import XDSServer

/// Every row of the table in `TypeSession+State.swift`, read from there, with clusters.
@Suite struct StateTableTests {
  typealias Step = @Sendable (TestStream, inout World) -> [Sent]

  private struct Row: CustomStringConvertible {
    var state, event, next, sent: String
    var description: String { "\(state) | \(event) | \(next) | \(sent)" }
  }

  /// What makes a row happen.
  private struct Scenario: Sendable {
    var state: ProxySession.State
    var event: String
    /// Brings a stream into the state.
    var before: [Step]
    var step: Step
    /// The names in the response of clusters that follows, by protocol; nil for none, and a set of alternatives where the
    /// order is the hashes'.
    var delta: [Set<String>]? = nil
    var stateOfTheWorld: [Set<String>]? = nil
    /// Nil where it depends on the order.
    var removed: Set<String>?

    init(
      _ state: ProxySession.State, _ event: String, _ before: [Step], _ step: @escaping Step,
      delta: [Set<String>]? = nil, stateOfTheWorld: [Set<String>]? = nil, removed: Set<String>? = []
    ) {
      self.state = state
      self.event = event
      self.before = before
      self.step = step
      self.delta = delta
      self.stateOfTheWorld = stateOfTheWorld
      self.removed = removed
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func everyRowHappens(_ variant: XDSProtocol) throws {
    let rows = try Self.rows()
    var scenarios = Self.scenarios
    for row in rows {
      let index = try #require(
        scenarios.firstIndex { $0.state.rawValue == row.state && $0.event == row.event }, "no scenario for: \(row)")
      let scenario = scenarios.remove(at: index)
      var world = World()
      world.cluster("a")
      world.cluster("b")
      let stream = TestStream(variant)
      for step in scenario.before { _ = step(stream, &world) }
      #expect(stream.session.state(.cluster).rawValue == row.state, "\(row), \(variant): where it begins")
      let sent = scenario.step(stream, &world)[.cluster]
      #expect(stream.session.state(.cluster).rawValue == row.next, "\(row), \(variant)")
      let wanted = variant == .delta ? scenario.delta : scenario.stateOfTheWorld
      #expect((wanted == nil) == (row.sent == "nothing"), "\(row): the scenario contradicts the table")
      #expect((sent == nil) == (wanted == nil), "\(row), \(variant): \(sent?.description ?? "nothing")")
      if let wanted, let sent {
        #expect(wanted.contains(sent.names), "\(row), \(variant): \(sent)")
        if variant == .delta, let removed = scenario.removed { #expect(sent.removed == removed, "\(row)") }
      }
      print("\(variant.rawValue): \(row)")
    }
    #expect(scenarios.map { "\($0.state): \($0.event)" } == [], "not in the table")
  }

  private static func rows() throws -> [Row] {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Sources/XDSServer/TypeSession+State.swift")
    let text = try String(contentsOf: file, encoding: .utf8)
    let rows = text.split(separator: "\n").filter { $0.contains("/// | ") }.dropFirst().map { line in
      line.split(separator: "|").dropFirst().map { $0.trimmingCharacters(in: .whitespaces) }
    }
    for row in rows { try #require(row.count == 4, "\(row)") }
    return rows.map { Row(state: $0[0], event: $0[1], next: $0[2], sent: $0[3]) }
  }

  // MARK: Steps

  private static let publish: Step = { $0.publish(&$1) }
  private static let subscribe: Step = { stream, _ in stream.subscribe(.cluster) }
  private static let ack: Step = { stream, _ in stream.ack(.cluster) }
  private static let nack: Step = { stream, _ in stream.nack(.cluster) }

  private static func change(_ names: String..., version: Int = 1) -> Step {
    { stream, world in
      for name in names { world.cluster(name, version: version) }
      return stream.publish(&world)
    }
  }

  private static let quiet = [publish, subscribe, ack]
  private static let inFlight = quiet + [change("c")]
  private static let twoInFlight = quiet + [change("c", "d")]
  private static let quarantined = inFlight + [nack]
  private static let nackNamingC: Step = { stream, _ in stream.nack(.cluster, "c: bad") }

  /// These clusters are in flight, and the endpoints of `good` among them are accepted.
  private static func silent(_ names: String...) -> [Step] {
    [
      publish, subscribe, { stream, _ in stream.subscribe(.endpoint, ["a", "b"]) }, ack,
      { stream, _ in stream.ack(.endpoint) },
      { stream, world in
        for name in names { world.cluster(name) }
        return stream.publish(&world)
      },
      { stream, _ in stream.subscribe(.endpoint, ["good"]) }, { stream, _ in stream.ack(.endpoint) },
    ]
  }

  private static func pump(at seconds: Int) -> Step { { stream, _ in stream.pump(at: .seconds(seconds)) } }
  private static let withdrawing = silent("bad", "good") + [pump(at: 5)]

  private static let scenarios: [Scenario] = [
    Scenario(.unasked, "the first request, before there is a generation", [], subscribe),
    Scenario(
      .unasked, "the first request", [publish], subscribe, delta: [["a", "b"]], stateOfTheWorld: [["a", "b"]]),
    Scenario(
      .unasked, "the first request of a client that has it all", [publish],
      { stream, world in
        stream.subscribe(
          .cluster, holding: stream.variant == .delta ? versions(world.clusters) : [:],
          version: stream.variant == .delta ? "" : world.clusters.contentHash.text)
      }),
    Scenario(
      .owing, "the first generation", [subscribe], publish, delta: [["a", "b"]], stateOfTheWorld: [["a", "b"]]),

    Scenario(
      .quiet, "something of the type changes", quiet, change("c"), delta: [["c"]], stateOfTheWorld: [["a", "b", "c"]]),
    Scenario(
      .quiet, "something else changes", quiet,
      { stream, world in
        world.endpoint("a", version: 2)
        return stream.publish(&world)
      }),
    Scenario(
      .quiet, "a name is subscribed to", quiet, { stream, _ in stream.subscribe(.cluster, ["a"]) }, delta: [["a"]],
      stateOfTheWorld: [["a"]]),
    Scenario(
      .quiet, "a name is unsubscribed from",
      [publish, { stream, _ in stream.subscribe(.cluster, ["a", "b"]) }, ack],
      { stream, _ in stream.unsubscribe(.cluster, ["b"]) }),
    Scenario(.quiet, "the last answer comes once more", quiet, ack),
    Scenario(
      .quiet, "an answer to an older response", quiet, { stream, _ in stream.answer(.cluster, nonce: "0.7").1 }),

    Scenario(.inFlight, "ACK", inFlight, ack),
    Scenario(
      .inFlight, "ACK, and something has changed meanwhile", inFlight + [change("d")], ack, delta: [["d"]],
      stateOfTheWorld: [["a", "b", "c", "d"]]),
    Scenario(.inFlight, "something changes", inFlight, change("d")),
    Scenario(
      .inFlight, "a name is subscribed to", inFlight,
      { stream, _ in
        // In the state of the world such a request has the nonce of the response before, and is passed over for it.
        stream.variant == .delta ? stream.subscribe(.cluster, ["a"]) : stream.answer(.cluster, nonce: "1").1
      }),
    Scenario(
      .inFlight, "an answer to an older response", inFlight, { stream, _ in stream.answer(.cluster, nonce: "0.7").1 }),
    Scenario(.inFlight, "NACK, and one resource was new", inFlight, nack),
    Scenario(
      .inFlight, "NACK that names one of several", twoInFlight, nackNamingC, delta: [["d"]],
      stateOfTheWorld: [["a", "b", "d"]], removed: ["c"]),
    Scenario(
      .inFlight, "NACK that names none of several", twoInFlight, nack, delta: [["c"], ["d"]],
      stateOfTheWorld: [["a", "b", "c"], ["a", "b", "d"]]),
    Scenario(
      .inFlight, "silence about clusters for too long", silent("bad", "good"), pump(at: 5), delta: [[]],
      stateOfTheWorld: [["a", "b", "good"]], removed: ["bad"]),

    Scenario(.quarantined, "NACK again", quarantined, nack),
    Scenario(
      .quarantined, "the refused resource changes", quarantined, change("c", version: 2), delta: [["c"]],
      stateOfTheWorld: [["a", "b", "c"]]),
    Scenario(
      .quarantined, "the refused resource goes", quarantined,
      { stream, world in
        world.removeCluster("c")
        return stream.publish(&world)
      }, delta: [[]], stateOfTheWorld: [["a", "b"]], removed: ["c"]),
    Scenario(
      .quarantined, "something else changes", quarantined, change("d"), delta: [["d"]],
      stateOfTheWorld: [["a", "b", "d"]], removed: ["c"]),
    Scenario(
      .quarantined, "the refused resource is asked for by name", quarantined,
      { stream, _ in stream.subscribe(.cluster, ["c"]) }, delta: [["c"]], stateOfTheWorld: [["c"]]),

    Scenario(
      .trial, "ACK, and there is more to try", twoInFlight + [nack], ack, delta: [["c"], ["d"]],
      stateOfTheWorld: [["a", "b", "c", "d"]]),
    Scenario(.trial, "ACK, and something is refused still", twoInFlight + [nackNamingC], ack),
    Scenario(.trial, "ACK, and nothing is refused any more", quarantined + [change("c", version: 2)], ack),
    Scenario(
      .trial, "NACK", twoInFlight + [nack], nack, delta: [["c"], ["d"]],
      stateOfTheWorld: [["a", "b", "c"], ["a", "b", "d"]], removed: nil),

    Scenario(
      .withdrawing, "silence again", silent("bad", "worse", "good") + [pump(at: 5)], pump(at: 10), delta: [[]],
      stateOfTheWorld: [["a", "b", "good"]], removed: nil),
    Scenario(.withdrawing, "something changes", withdrawing, change("d")),
    Scenario(
      .withdrawing, "ACK of the response before", withdrawing, { stream, _ in stream.ackBefore(.cluster) }),
    Scenario(
      .withdrawing, "NACK of the response before", withdrawing,
      { stream, _ in stream.nackBefore(.cluster, "bad: ring hash") }),
    Scenario(
      .withdrawing, "ACK of the last response", withdrawing, ack, delta: [["bad"]],
      stateOfTheWorld: [["a", "b", "bad", "good"]]),
    Scenario(
      .withdrawing, "NACK of the last response", withdrawing,
      { stream, _ in stream.nack(.cluster, "bad: ring hash") }, delta: [["good"]],
      stateOfTheWorld: [["a", "b", "good"]], removed: ["bad"]),
  ]
}
