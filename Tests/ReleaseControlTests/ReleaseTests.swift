import Foundation
import ReleaseControl
import Testing
import TrafficModel

@Suite struct ReleaseTests {
  @Test func aCanaryGoesThroughItsStepsAndKeepsTheOldVersionWarm() throws {
    var canary = release()
    #expect((canary.state, canary.weight, canary.dueAt) == (.running, 5, nil))
    try canary.take(.live, at: after(3))
    #expect(canary.dueAt == after(63), "the pause begins when the step is live everywhere")
    try canary.take(.advance, at: after(63))
    #expect((canary.state, canary.weight, canary.liveAt) == (.awaitingApproval, 50, nil))
    try canary.take(.action(.approve), at: after(70))
    #expect((canary.state, canary.weight, canary.step) == (.running, 100, 2))
    try canary.take(.live, at: after(71))
    #expect(canary.dueAt == after(71), "the last step waits for nothing more")
    try canary.take(.advance, at: after(71))
    #expect((canary.state, canary.weight) == (.keepingWarm, 100))
    #expect(canary.dueAt == after(671))
    #expect(canary.liveAt == after(71), "nothing changed on the wire, so it is still live")
    try canary.take(.advance, at: after(671))
    #expect(canary.state == .succeeded)
    try canary.take(.action(.rollback), at: after(700))
    #expect((canary.state, canary.weight, canary.liveAt) == (.rolledBack, 0, nil))
  }

  @Test func aStoppedReleasePausesAnew() throws {
    let canary = try release().after(.live, .action(.pause), .action(.resume))
    #expect(canary.state == .running)
    #expect(canary.liveAt == after(1), "it stayed live")
    #expect(canary.dueAt == after(63))
  }

  @Test func aMissingLastStepIsAdded() {
    let spec = ReleaseSpec.canary(of: "a.b", from: "v1", to: "v2", steps: [5, 0.5])
    #expect(spec.plan.map(\.weight) == [5, 0.5, 100])
    #expect(throws: ReleaseError.self) { try spec.validate() }
    #expect(ReleaseSpec.canary(of: "a.b", from: "v1", to: "v2", steps: []).plan.map(\.weight) == [100])
  }

  @Test func blueGreenPreviewsSwitchesAndWarms() throws {
    let rule = RequestRule(headers: ["x-preview": .present])
    var switching = release(
      .blueGreen(of: "reviews.shop", from: "v1", to: "v2", preview: [rule], previewHost: "p.example"))
    #expect((switching.state, switching.weight, switching.previewHost) == (.awaitingApproval, 0, "p.example"))
    #expect(switching.overlay?.rules == [rule])
    try switching.take(.action(.approve), at: after(5))
    #expect((switching.state, switching.weight) == (.running, 100))
    #expect(switching.overlay?.rules == [], "with everything on the candidate no rule decides anything")
    try switching.take(.live, at: after(6))
    try switching.take(.advance, at: after(6))
    #expect((switching.state, switching.dueAt, switching.previewHost) == (.keepingWarm, after(606), nil))
    try switching.take(.action(.rollback), at: after(10))
    #expect(switching.overlay?.weight == Weight.none)
  }

  @Test func rulesAloneDecideUntilSomebodyDoes() throws {
    let rule = RequestRule(cookies: ["group": .exact("b")])
    let byRules = release(.rules([rule], of: "reviews.shop", from: "v1", to: "v2"))
    #expect((byRules.state, byRules.weight, byRules.overlay?.rules) == (.awaitingApproval, 0, [rule]))
    #expect(try byRules.after(.action(.rollback)).overlay?.rules == [])
    #expect(try byRules.after(.action(.approve)).weight == 100)
  }

  @Test func mirrorComesFirst() throws {
    var mirrored = release(
      .mirrorFirst(of: "reviews.shop", from: "v1", to: "v2", share: 10, for: .for(.seconds(30)), steps: [20, 100]))
    #expect((mirrored.state, mirrored.weight, mirrored.mirror) == (.running, 0, 10))
    #expect(mirrored.overlay?.mirror == 10)
    try mirrored.take(.live, at: after(1))
    #expect(mirrored.dueAt == after(31))
    try mirrored.take(.advance, at: after(31))
    #expect((mirrored.state, mirrored.weight, mirrored.mirror) == (.awaitingApproval, 20, 0))
  }

  @Test func whatAReleaseMakesOfRoutesEndsWithIt() throws {
    #expect(try release().after(.action(.abort)).overlay == nil)
    #expect(try release().after(.action(.rollback)).overlay?.weight == Weight.none)
    #expect(try release().after(.action(.rollback), .action(.retire)).overlay == nil)
  }

  // MARK: Capacity

  @Test func aShareNeedsItsPartOfTheEndpoints() {
    let rails = GuardRails(minimumReady: 2)
    #expect(rails.needed(for: 0, baseline: 10) == 0)
    #expect(rails.needed(for: 5, baseline: 10) == 2, "the minimum")
    #expect(rails.needed(for: 25, baseline: 10) == 3, "rounded up")
    #expect(rails.needed(for: 100, baseline: 10) == 10)
    #expect(GuardRails(capacity: 50).needed(for: 100, baseline: 9) == 5)
    #expect(GuardRails(capacity: 0).needed(for: 100, baseline: 9) == 1)
    #expect(rails.needed(for: 0.01, baseline: 1_000_000) == 100)
  }

  @Test func onlyWhoGetsMoreIsLookedAt() throws {
    let canary = try release().after(.action(.setWeight(50)))
    #expect(canary.shortfall(for: 50, ReleaseCapacity(stable: 0, candidate: 0)) == nil)
    let more = try #require(canary.shortfall(for: 60, ReleaseCapacity(stable: 10, candidate: 5)))
    #expect("\(more)" == "v2 has 5 ready endpoints of 6 that 60 % of the traffic need")
    #expect(canary.shortfall(for: 60, ReleaseCapacity(stable: 0, candidate: 6)) == nil)
    let less = try #require(canary.shortfall(for: 30, ReleaseCapacity(stable: 6, candidate: 5)))
    #expect((less.subset, less.needed) == ("v1", 7))
    #expect(canary.shortfall(for: 60, ReleaseCapacity(stable: 20, candidate: 6)) != nil, "the stable version has grown")
  }

  @Test(arguments: GuardRails.Emptiness.allCases)
  func anEmptyCandidate(_ policy: GuardRails.Emptiness) throws {
    var spec = release().spec
    spec.guardRails.onEmpty = policy
    let canary = release(spec)
    let (overlay, event, note) = canary.guarded(ReleaseCapacity(stable: 10, candidate: 0))
    #expect(note == "v2 has no ready endpoint")
    switch policy {
    case .fail: #expect((overlay?.weight, event) == (5, nil))
    case .spill: #expect((overlay?.weight, event) == (Weight.none, nil))
    case .freezeAndRollBack:
      #expect((overlay?.weight, event) == (Weight.none, .trip))
      #expect(try canary.after(.trip).overlay == overlay, "what is served at once is what the release then says")
    }
    #expect(canary.guarded(ReleaseCapacity(stable: 10, candidate: 1)).overlay == canary.overlay)
  }

  @Test func anEmptyStableSubset() throws {
    let canary = release()
    let (overlay, event, _) = canary.guarded(ReleaseCapacity(stable: 0, candidate: 3))
    #expect((overlay?.weight, event) == (100, .freeze))
    let frozen = try canary.after(.freeze)
    #expect(frozen.guarded(ReleaseCapacity(stable: 0, candidate: 3)).overlay?.weight == 100)
    #expect(frozen.guarded(ReleaseCapacity(stable: 0, candidate: 3)).event == nil, "it is frozen already")
    #expect(frozen.guarded(ReleaseCapacity(stable: 1, candidate: 3)).overlay?.weight == 5)
    let both = canary.guarded(ReleaseCapacity(stable: 0, candidate: 0))
    #expect((both.overlay?.weight, both.event) == (5, .freeze))
  }

  @Test func aVersionThatWasRolledBackGetsNothing() throws {
    let back = try release().after(.action(.rollback), .live)
    let (overlay, event, note) = back.guarded(ReleaseCapacity(stable: 0, candidate: 5))
    #expect((overlay?.weight, event, note) == (Weight.none, nil, "v1 has no ready endpoint"))
    // Not before the way back has been gone everywhere.
    let onItsWay = try release().after(.action(.rollback))
    #expect(onItsWay.guarded(ReleaseCapacity(stable: 0, candidate: 5)).overlay?.weight == Weight.all)
    #expect(onItsWay.guarded(ReleaseCapacity(stable: 1, candidate: 5)).overlay?.weight == Weight.none)
  }

  @Test(arguments: GuardRails.Emptiness.allCases)
  func tooFewInTheMiddleOfAStep(_ policy: GuardRails.Emptiness) throws {
    var spec = release().spec
    spec.guardRails.onEmpty = policy
    spec.guardRails.minimumReady = 2
    let half = try release(spec).after(.action(.setWeight(50)))
    func guarded(_ stable: Int, _ candidate: Int) -> (Weight?, ReleaseEvent?, String?) {
      let guarded = half.guarded(ReleaseCapacity(stable: stable, candidate: candidate))
      return (guarded.overlay?.weight, guarded.event, guarded.note)
    }
    let isFailing = policy == .fail
    #expect(guarded(5, 5) == (50, nil, nil))
    #expect(guarded(20, 5) == (50, nil, nil), "a stable subset that grows makes no candidate too small")
    // Below the minimum it is as if it were empty.
    let minimum = guarded(5, 1)
    #expect(minimum.0 == (isFailing ? 50 : Weight.none))
    #expect(minimum.1 == (policy == .freezeAndRollBack ? .trip : nil))
    #expect(minimum.2 == "v2 has 1 ready endpoint of 2 that 50 % of the traffic need")
    // Below what its share needs.
    let few = guarded(10, 3)
    #expect(few.0 == (policy == .spill ? 30 : 50))
    #expect(few.1 == (policy == .freezeAndRollBack ? .freeze : nil))
    #expect(few.2 == "v2 has 3 ready endpoints of 5 that 50 % of the traffic need")
    // The candidate gets no more than was asked for as long as somebody else is there.
    let stable = guarded(1, 10)
    #expect(stable.0 == 50 && stable.1 == (policy == .freezeAndRollBack ? .freeze : nil))
    #expect(stable.2 == "v1 has 1 ready endpoint of 5 that 50 % of the traffic need")
    // Whoever is there answers, be they few.
    #expect(guarded(0, 1).0 == (isFailing ? 50 : Weight.all))
    #expect(guarded(0, 0).0 == 50)
  }

  @Test func nothingIsServedByNobody() throws {
    for policy in [GuardRails.Emptiness.spill, .freezeAndRollBack] {
      for minimum in 0...3 {
        for state in ReleaseState.allCases where state.isInForce {
          var spec = StateTableTests.spec
          spec.guardRails = GuardRails(minimumReady: minimum, onEmpty: policy)
          var found = try StateTableTests.release(in: state, spec)
          // A rollback that is live is the one way that is not left again.
          #expect((state == .rolledBack) == (found.weight == .none))
          for weight: Weight in [0.01, 30, 100] {
            if found.state.allowedActions.contains(.setWeight) {
              try found.take(.action(.setWeight(weight)), at: after(200))
            }
            for (stable, candidate) in (0...4).flatMap({ a in (0...4).map { (a, $0) } }) where stable + candidate > 0 {
              let served = found.guarded(ReleaseCapacity(stable: stable, candidate: candidate)).overlay?.weight
              if stable == 0 { #expect(served == .all, "\(state) \(weight) \(policy) \(minimum)") }
              if candidate == 0 { #expect(served == Weight.none, "\(state) \(weight) \(policy) \(minimum)") }
              if stable > 0, let served { #expect(served <= found.weight, "nobody gives the candidate more") }
            }
          }
        }
      }
    }
  }

  @Test func onceAllIsDecidedOnlyEmptinessCounts() throws {
    var spec = StateTableTests.spec
    spec.guardRails.minimumReady = 3
    let done = try StateTableTests.release(in: .succeeded, spec)
    #expect(done.guarded(ReleaseCapacity(stable: 10, candidate: 1)).overlay?.weight == .all)
    #expect(done.guarded(ReleaseCapacity(stable: 10, candidate: 0)).overlay?.weight == Weight.none)

    let warm = try StateTableTests.release(in: .keepingWarm)
    #expect(warm.guarded(ReleaseCapacity(stable: 10, candidate: 1)).event == nil)
    #expect(warm.guarded(ReleaseCapacity(stable: 10, candidate: 0)).event == .trip)
    #expect(warm.guarded(ReleaseCapacity(stable: 0, candidate: 0)).event == nil)
    // Before anything has been moved the stable subset's size is nobody's business.
    let waiting = release(holds: true)
    #expect(waiting.guarded(ReleaseCapacity(stable: 1, candidate: 0)).event == nil)
  }

  @Test func whatIsCarriedIsEnoughForItsNeed() {
    for rails in [GuardRails(), GuardRails(minimumReady: 3, capacity: 70), GuardRails(capacity: 0)] {
      for baseline in [0, 1, 7, 1000] {
        for ready in 0...8 {
          for weight: Weight in [0.01, 5, 33.33, 100] {
            let carried = rails.carried(by: ready, of: weight, baseline: baseline)
            #expect(carried <= weight && rails.needed(for: carried, baseline: baseline) <= ready)
            guard carried < weight, let more = Weight(basisPoints: Int(carried.basisPoints) + 1) else { continue }
            #expect(rails.needed(for: more, baseline: baseline) > ready, "no more is possible")
          }
        }
      }
    }
  }

  @Test func theMeasureOnlyGrows() throws {
    var canary = release()
    try canary.take(.live, at: after(1))
    try canary.take(.advance, at: after(2), capacity: ReleaseCapacity(stable: 12, candidate: 6))
    #expect(canary.baseline == 12)
    // Half of them have gone, as half of the traffic has; or they have failed. The whole still needs as many.
    try canary.take(.action(.pause), at: after(3), capacity: ReleaseCapacity(stable: 6, candidate: 6))
    #expect(canary.baseline == 12)
    #expect(canary.shortfall(for: 100, ReleaseCapacity(stable: 6, candidate: 11))?.needed == 12)
    // Who takes nothing more is not measured anew.
    try canary.take(.action(.setWeight(20)), at: after(4), capacity: ReleaseCapacity(stable: 40, candidate: 6))
    #expect(canary.baseline == 12)
  }

  @Test func whatIsServedInsteadIsNotLive() throws {
    var canary = try release().after(.live)
    let revision = canary.revision
    let isNews = canary.note(spilled: 2)
    #expect(isNews)
    #expect(canary.liveAt == nil && canary.revision == revision && canary.weight == 5)
    let isNewsAgain = canary.note(spilled: 2)
    #expect(!isNewsAgain)
    // A move says anew what it is to be.
    #expect(try canary.after(.action(.setWeight(20))).spilled == nil)
    #expect(try canary.after(.action(.pause)).spilled == 2)
    let isBack = canary.note(spilled: nil)
    #expect(isBack && canary.spilled == nil)
  }

  @Test func aWeightThatCannotBeCarriedIsHeld() throws {
    var canary = release()
    try canary.take(.action(.setWeight(40)), at: after(1), holds: true)
    #expect((canary.state, canary.weight, canary.target, canary.nextWeight) == (.manual, 5, 40, 40))
    try canary.take(.advance, at: after(2))
    #expect((canary.state, canary.weight, canary.target) == (.manual, 40, nil))
    try canary.take(.action(.promote), at: after(3), holds: true)
    #expect((canary.weight, canary.target) == (40, 100))
    try canary.take(.advance, at: after(4))
    #expect((canary.state, canary.weight) == (.running, 100))
    let waiting = release(holds: true)
    #expect((waiting.state, waiting.step, waiting.weight) == (.running, -1, 0))
    #expect(try waiting.after(.live, .advance).weight == 5)
  }
  @Test func anApprovalThatIsHeldLeadsOnLater() throws {
    var canary = try release().after(.live, .advance)
    #expect((canary.state, canary.step, canary.weight) == (.awaitingApproval, 1, 50))
    try canary.take(.action(.approve), at: after(3), holds: true)
    #expect((canary.state, canary.step, canary.weight, canary.nextWeight) == (.running, 1, 50, 100))
    // Its own pause was for the approval, which is there.
    try canary.take(.live, at: after(4))
    #expect(canary.dueAt == after(4))
    #expect(try canary.after(.advance).weight == 100)
    // Who stops it meanwhile takes the approval back.
    #expect(try canary.after(.action(.pause), .action(.resume)).state == .awaitingApproval)
  }

  @Test func aResumeThatIsHeldLeadsOnLater() throws {
    var canary = try release().after(.action(.setWeight(20)))
    try canary.take(.action(.resume), at: after(2), holds: true)
    #expect((canary.state, canary.step, canary.weight, canary.nextWeight) == (.running, 0, 20, 50))
    #expect(try canary.after(.live, .advance).weight == 50)
    // From before the first step.
    var waiting = try release(holds: true).after(.action(.setWeight(1)))
    try waiting.take(.action(.resume), at: after(2), holds: true)
    #expect((waiting.state, waiting.step, waiting.weight, waiting.nextWeight) == (.running, -1, 1, 5))
  }

  @Test func nothingLeadsToTheCandidateBeforeTheFirstStep() throws {
    let rule = RequestRule(headers: ["x-preview": .present])
    let waiting = release(
      .blueGreen(of: "reviews.shop", from: "v1", to: "v2", preview: [rule], previewHost: "next.shop"), holds: true)
    #expect(waiting.overlay?.rules == [] && waiting.previewHost == nil)
    // A candidate that is not there yet is nothing to roll back from.
    let (overlay, event, _) = waiting.guarded(ReleaseCapacity(stable: 2, candidate: 0))
    #expect((overlay?.weight, event) == (Weight.none, nil))
    let begun = try waiting.after(.live, .advance)
    #expect(begun.overlay?.rules == [rule] && begun.previewHost == "next.shop")
  }
}
