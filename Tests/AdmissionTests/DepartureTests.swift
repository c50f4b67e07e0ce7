import Admission
import Testing
import TrafficModel

/// A service whose removal waits keeps its endpoints.
@Suite struct DepartureTests {
  private let service = Make.service("b")
  private let slice = Make.slice("b-1", of: "b", "10.0.0.1", pods: ["b-1", "b-2"])
  private let pods = [Make.pod("b-1"), Make.pod("b-2", version: "v2")]
  private let route = Make.route("r", ["b"])

  private func gate(_ more: TrafficObject...) -> AdmissionGate {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("all", [service, slice] + pods)] + more.map { Make.file("\($0.key)", [$0]) })
    gate.put(route)
    return gate
  }

  @Test func whatLeavesTogetherWaitsTogetherAndGoesTogether() {
    var gate = gate()
    let change = gate.apply([Make.gone("all")])
    #expect(change.isEmpty, "\(change.edits.map(\.summary))")
    #expect(gate.set == Set([service, slice, route] + pods))
    #expect(gate.waitingObjects == [slice.key, pods[0].key, pods[1].key, service.key])
    #expect(
      gate.problemTexts == [
        "all:1: error: Service shop/b: its removal waits, and the last admitted version is served, with what was to go "
          + "with it (EndpointSlice shop/b-1, 2 Pods): VirtualService shop/r (VirtualService shop/r:1) still names it"
      ])
    let last = gate.apply([Make.gone("\(route.key)")])
    #expect(
      last.edits.map(\.summary) == ["-VirtualService r", "-EndpointSlice b-1", "-Service b", "-Pod b-1", "-Pod b-2"])
    #expect(last.deleted.count == 5)
    #expect(gate.set.isEmpty)
    #expect(gate.waitingObjects.isEmpty)
    #expect(gate.problems.isEmpty)
  }

  @Test func whatLeavesLaterWaitsToo() {
    var gate = AdmissionGate()
    gate.put(service, slice, pods[0], pods[1], route)
    gate.drop(service)
    #expect(
      gate.problemTexts.first?.contains("is served: Virtual") == true, "nothing else was to go: \(gate.problemTexts)")
    #expect(gate.drop(pods[0]) == [])
    #expect(gate.problemTexts.first?.contains("(Pod shop/b-1)") == true)
    #expect(gate.drop(slice) == [])
    #expect(gate.problemTexts.first?.contains("(EndpointSlice shop/b-1, Pod shop/b-1)") == true)
    #expect(gate.drop(route) == ["-VirtualService r", "-EndpointSlice b-1", "-Service b", "-Pod b-1"])
    #expect(gate.set == [pods[1]])
  }

  @Test func aServiceThatStaysLosesItsEndpointsAtOnce() {
    var gate = AdmissionGate()
    gate.put(service, slice, pods[0], route)
    #expect(gate.drop(slice, pods[0]) == ["-EndpointSlice b-1", "-Pod b-1"])
    #expect(gate.problems.isEmpty)
  }

  @Test func aServiceThatComesBackTakesNoneOfThemAlong() {
    var gate = gate()
    _ = gate.apply([Make.gone("all")])
    #expect(gate.put(service) == ["-EndpointSlice b-1", "-Pod b-1", "-Pod b-2"])
    #expect(gate.set == [service, route])
    #expect(gate.problems.isEmpty)
    #expect(gate.waitingObjects.isEmpty)
  }

  @Test func aSliceThatComesBackIsItsOwnAgain() {
    var gate = gate()
    _ = gate.apply([Make.gone("all")])
    let other = Make.slice("b-1", of: "b", "10.0.0.9", pods: ["b-1"])
    #expect(gate.put(other) == ["+EndpointSlice b-1", "-Pod b-2"], "no endpoint names the other pod any longer")
    #expect(gate.drop(route) == ["-VirtualService r", "-Service b", "-Pod b-1"])
    #expect(gate.set == [other])
  }

  @Test func aPodOfTwoServicesStaysForEither() {
    let second = Make.service("c")
    let shared = Make.slice("c-1", of: "c", "10.0.0.1", pods: ["b-1"])
    var gate = gate(second, shared, Make.route("s", ["c"]))
    _ = gate.apply([Make.gone("all"), Make.gone("\(second.key)"), Make.gone("\(shared.key)")])
    #expect(gate.set.count == 8)
    #expect(gate.drop(route) == ["-VirtualService r", "-EndpointSlice b-1", "-Service b", "-Pod b-2"])
    #expect(gate.drop(Make.route("s", [])) == ["-VirtualService s", "-EndpointSlice c-1", "-Service c", "-Pod b-1"])
    #expect(gate.set.isEmpty)
  }

  @Test func itOutlivesARestart() {
    var first = gate()
    _ = first.apply([Make.gone("all")])
    var second = AdmissionGate()
    second.restore(first.admittedObjects.sorted { $0.key < $1.key })
    let change = second.apply([Make.file("\(route.key)", [route])], isInitialScan: true)
    #expect(change.deleted.isEmpty)
    #expect(second.set == first.set)
    #expect(second.waitingObjects == first.waitingObjects)
    #expect(second.drop(route).count == 5)
    #expect(second.set.isEmpty)
  }

  // MARK: A port that is to go

  private func slice(_ ports: [UInt16], _ address: String = "10.0.0.1") -> TrafficObject {
    .endpointSlice(
      EndpointSlice(
        id: Make.id("b-1"), service: "b", ports: ports.map { .init(name: "p\($0)", port: $0 + 8_000) },
        endpoints: [.init(addresses: [address])]))
  }

  /// A service with two ports, of which a route names the second, and both it and its slice are to lose that.
  private func narrowed() -> AdmissionGate {
    var gate = AdmissionGate()
    gate.put(Make.service("b", ports: [80, 81]), slice([80, 81]), Make.route("r", ["b||81"]))
    #expect(gate.put(Make.service("b", ports: [80]), slice([80])) == [])
    return gate
  }

  @Test func aPortWaitsInTheSliceAsInItsService() {
    var gate = narrowed()
    #expect(gate.set.contains(slice([80, 81])))
    #expect(gate.waitingObjects == [slice([]).key, service.key])
    #expect(gate.problems.map(\.field) == ["spec.ports"])
    #expect(
      gate.problems.first?.message.contains("is served, with what was to change with it (EndpointSlice shop/b-1)")
        == true,
      "\(gate.problemTexts)")
    #expect(gate.drop(Make.route("r", [])) == ["+Service b", "+EndpointSlice b-1", "-VirtualService r"])
    #expect(gate.set == [Make.service("b", ports: [80]), slice([80])])
    #expect(gate.waitingObjects.isEmpty && gate.problems.isEmpty)
  }

  @Test func aSliceWithOtherEndpointsDoesNotWaitForAPort() {
    var gate = narrowed()
    #expect(gate.put(slice([80], "10.0.0.2")) == ["+EndpointSlice b-1"])
    #expect(gate.waitingObjects == [service.key])
  }

  @Test func aPortThatComesBackFreesTheSlice() {
    var gate = narrowed()
    #expect(gate.put(Make.service("b", ports: [80, 81])) == ["+EndpointSlice b-1"])
    #expect(gate.problems.isEmpty && gate.waitingObjects.isEmpty)
  }

  @Test func aPortThatWaitsOutlivesARestart() {
    let first = narrowed()
    var second = AdmissionGate()
    second.restore(first.admittedObjects.sorted { $0.key < $1.key })
    let files = [Make.service("b", ports: [80]), slice([80]), Make.route("r", ["b||81"])]
    _ = second.apply(files.map { Make.file("\($0.key)", [$0]) }, isInitialScan: true)
    #expect(second.set == first.set)
    #expect(second.problems == first.problems)
  }

  @Test(arguments: 0..<40 as Range<UInt64>) func nothingIsLeftBehind(_ seed: UInt64) {
    var random = AdmissionPropertyTests.Random(state: seed)
    var gate = AdmissionGate()
    var wanted: [ObjectKey: TrafficObject] = [:]
    for step in 0..<80 {
      var updates: [SourceUpdate] = []
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let name = ["a", "b"].randomElement(using: &random)!
        let pod = ["p", "q"].randomElement(using: &random)!
        let object = [
          Make.service(name), Make.slice("s\(name)", of: name, "10.0.0.1", pods: [pod]), Make.pod(pod),
          Make.route("r\(name)", [name]),
        ].randomElement(using: &random)!
        guard !updates.contains(where: { $0.origin == "\(object.key)" }) else { continue }
        let stays = Bool.random(using: &random)
        wanted[object.key] = stays ? object : nil
        updates.append(stays ? Make.file("\(object.key)", [object]) : Make.gone("\(object.key)"))
      }
      _ = gate.apply(updates)
      // The services whose removal waits, what belongs to them, and nothing else.
      let leaving = gate.waitingObjects.filter { $0.kind == .service && wanted[$0] == nil }.map(\.id.name)
      for object in gate.set where wanted[object.key] != object {
        switch object {
        case .endpointSlice(let slice): #expect(leaving.contains(slice.service), "seed \(seed), step \(step)")
        case .pod(let pod):
          let users = gate.set.compactMap { other -> String? in
            guard case .endpointSlice(let slice) = other else { return nil }
            return slice.endpoints.contains { $0.pod == pod.id } ? slice.service : nil
          }
          #expect(users.contains(where: leaving.contains), "seed \(seed), step \(step)")
        default: break
        }
        #expect(gate.waitingObjects.contains(object.key), "seed \(seed), step \(step): \(object.key) is left behind")
      }
      let everything = Set(gate.set.map(\.key))
      #expect(wanted.keys.allSatisfy { $0.kind == .virtualService || everything.contains($0) })
      if leaving.isEmpty {
        #expect(gate.waitingObjects.allSatisfy { $0.kind == .virtualService }, "seed \(seed), step \(step)")
      }
    }
  }
}
