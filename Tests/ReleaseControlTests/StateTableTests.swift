import ReleaseControl
import Testing
import TrafficModel

/// Every state with every event. What is written here is what `ReleaseState.moves` has to say, in words of its own.
@Suite struct StateTableTests {
  /// The ways into the states.
  static func release(in state: ReleaseState, _ spec: ReleaseSpec? = nil) throws -> Release {
    let running = ReleaseControlTests.release(spec)
    return switch state {
    case .running: running
    case .awaitingApproval: try running.after(.live, .advance)
    case .manual: try running.after(.action(.setWeight(10)))
    case .paused: try running.after(.action(.pause))
    case .frozen: try running.after(.freeze)
    case .keepingWarm: try running.after(.action(.promote), .live, .advance)
    case .succeeded: try running.after(.action(.promote), .live, .advance, .advance)
    case .rolledBack: try running.after(.action(.rollback))
    case .aborted: try running.after(.action(.abort))
    case .retired: try running.after(.action(.rollback), .action(.retire))
    }
  }

  static var spec: ReleaseSpec { ReleaseControlTests.release().spec }

  static let events: [ReleaseEvent] = [
    .action(.setWeight(20)), .action(.promote), .action(.pause), .action(.resume), .action(.approve),
    .action(.rollback), .action(.abort), .action(.retire), .live, .advance, .trip, .freeze,
  ]

  /// `-` is not allowed, `=` changes nothing, else the state and the candidate's weight after it.
  static let table: [ReleaseState: String] = [
    .running: """
    manual/20 running/100 paused/5 - - rolledBack/0 aborted/5 - running/5 awaitingApproval/50 rolledBack/0 frozen/5
    """,
    .awaitingApproval: """
    manual/20 running/100 paused/50 - running/100 rolledBack/0 aborted/50 - awaitingApproval/50 - rolledBack/0 frozen/50
    """,
    .manual: """
    manual/20 running/100 - awaitingApproval/50 - rolledBack/0 aborted/10 - manual/10 - rolledBack/0 frozen/10
    """,
    .paused: """
    manual/20 running/100 - running/5 - rolledBack/0 aborted/5 - paused/5 - rolledBack/0 frozen/5
    """,
    .frozen: """
    manual/20 running/100 - running/5 - rolledBack/0 aborted/5 - frozen/5 - rolledBack/0 =
    """,
    .keepingWarm: "- - - - - rolledBack/0 - retired/100 = succeeded/100 rolledBack/0 frozen/100",
    .succeeded: "- - - - - rolledBack/0 - retired/100 = - - -",
    .rolledBack: "- - - - - = - retired/0 rolledBack/0 - - -",
    .aborted: "- - - - - - = - aborted/5 - - -",
    .retired: "- - - - - - - = retired/0 - - -",
  ]

  @Test("each state with each event", arguments: ReleaseState.allCases)
  func pairs(_ state: ReleaseState) throws {
    let expected = try #require(Self.table[state]).split(separator: " ")
    try #require(expected.count == Self.events.count)
    try #require(Set(Self.events.map(\.kind)) == Set(ReleaseEvent.Kind.allCases))
    let before = try Self.release(in: state)
    try #require(before.state == state)
    for (event, expected) in zip(Self.events, expected) {
      var release = before
      do {
        let isChanged = try release.take(event, reason: "because", at: after(100))
        if expected == "=" {
          #expect(!isChanged && release == before, "\(state) with \(event.kind)")
          continue
        }
        #expect(isChanged)
        #expect(
          "\(release.state.rawValue)/\(release.weight.basisPoints / 100)" == expected, "\(state) with \(event.kind)")
        if event.kind == .live {
          #expect(release.liveAt == after(100) && release.revision == before.revision)
        } else {
          #expect(release.revision == before.revision + 1 && release.reason == "because")
          #expect(release.changedAt == after(100))
        }
      } catch let error {
        #expect(expected == "-", "\(state) with \(event.kind): \(error)")
        #expect(release == before, "a move that is not allowed changes nothing")
        #expect(error.code == .notAllowed)
        #expect(error.allowedNow == state.allowedActions)
        for action in state.allowedActions { #expect(error.message.contains(action.rawValue), "\(error)") }
      }
    }
  }

  @Test func whatIsAllowedIsWhatTheTableTakes() {
    #expect(ReleaseState.running.allowedActions == [.setWeight, .promote, .pause, .rollback, .abort])
    #expect(ReleaseState.rolledBack.allowedActions == [.retire])
    #expect(ReleaseState.aborted.allowedActions.isEmpty)
    for state in ReleaseState.allCases {
      // The way back is open wherever the candidate may have something.
      let canHave = state.isInForce && state != .rolledBack
      #expect(state.allowedActions.contains(.rollback) == canHave, "\(state)")
    }
  }
}
