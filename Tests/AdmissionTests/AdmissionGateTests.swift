import Admission
import Testing
import TrafficModel

@Suite struct AdmissionGateTests {
  @Test func whatIsGoodIsAdmittedInAnOrderThatDependsOnKeysOnly() {
    var gate = AdmissionGate()
    let edits = gate.put(
      Make.route("web", ["web|v1"]), Make.rule("web", ["v1"]), Make.slice("web", "10.0.0.1"), Make.service("web"))
    #expect(edits == ["+Service web", "+EndpointSlice web", "+DestinationRule web", "+VirtualService web"])
    #expect(gate.put(Make.service("web")) == [], "an equal object is no edit")
    #expect(
      gate.drop(Make.service("web"), Make.rule("web", []), Make.route("web", []))
        == ["-VirtualService web", "-DestinationRule web", "-Service web"])
    #expect(gate.problems.isEmpty)
  }

  @Test func theFirstCallGivesTheWholeSetAndLaterOnesTheDifference() {
    var gate = AdmissionGate()
    let kept = AdmittedObject(
      object: Make.service("web"), location: SourceLocation(file: "a", line: 1), text: "\(Make.service("web"))")
    gate.restore([kept])
    let change = gate.apply(
      [Make.file("a", [Make.service("web")]), Make.file("b", [Make.service("db")])], isInitialScan: true)
    #expect(change.edits.map(\.summary) == ["+Service db", "+Service web"])
    #expect(change.stored.map(\.key.id.name) == ["db"], "what is kept as it is needs no write")
    #expect(gate.apply([]).isEmpty)
  }

  // MARK: Refused documents

  @Test func aRefusedDocumentKeepsItsObjectAtTheLastAdmittedVersion() {
    var gate = AdmissionGate()
    let web = Make.service("web")
    _ = gate.apply([Make.file("a", [web])])
    let change = gate.apply([Make.file("a", documents: [Make.refused(web.key, file: "a")])])
    #expect(change.isEmpty)
    #expect(gate.set == [web])
    #expect(
      gate.problemTexts == [
        "a:1: error: Service shop/web: is bad", "a:1: warning: Service shop/web: its last admitted version is served",
      ])
    _ = gate.apply([Make.file("a", [Make.service("web", ports: [81])])])
    #expect(gate.set == [Make.service("web", ports: [81])])
    #expect(gate.problems.isEmpty)
  }

  @Test func anIncompleteFileTakesNothingAwayAndStillAdds() {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("a", [Make.service("web"), Make.service("db")])])
    let edits = gate.apply([
      Make.file("a", [Make.service("db", ports: [5432]), Make.service("new")], isComplete: false)
    ]).edits
    #expect(edits.map(\.summary) == ["+Service db", "+Service new"])
    #expect(gate.set.count == 3)
    #expect(
      gate.problemTexts == [
        "a: error: is broken", "a: warning: what was admitted from it before stays as it was: Service shop/web",
      ])
    #expect(
      gate.apply([Make.file("a", [Make.service("db")])]).edits.map(\.summary) == [
        "+Service db", "-Service new", "-Service web",
      ])
    #expect(gate.problems.isEmpty)
  }

  @Test func aFileThatIsGoneTakesItsObjectsWithIt() {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("a", [Make.service("web")])])
    _ = gate.apply([Make.file("a", [], isComplete: false)])
    #expect(gate.set.count == 1)
    #expect(gate.apply([Make.gone("a")]).deleted.map(\.id.name) == ["web"])
  }

  // MARK: The same object twice

  @Test func theLowestPlaceWinsWhateverTheOrder() {
    let low = Make.service("web", ports: [1])
    let high = Make.service("web", ports: [2])
    for updates in [[Make.file("a", [low]), Make.file("b", [high])], [Make.file("b", [high]), Make.file("a", [low])]] {
      var gate = AdmissionGate()
      for update in updates { _ = gate.apply([update]) }
      #expect(gate.set == [low])
      #expect(
        gate.problemTexts == [
          "b:1: error: Service shop/web: is also defined at a:1, which is the one that counts; this one has no effect"
        ])
      _ = gate.apply([Make.gone("a")])
      #expect(gate.set == [high])
      #expect(gate.problems.isEmpty)
    }
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("a", [low, high])])
    #expect(gate.set == [low])
    #expect(gate.problems.map(\.location?.line) == [11])
  }

  @Test func aRefusedWinnerIsNotReplacedByItsDouble() {
    var gate = AdmissionGate()
    _ = gate.apply([
      Make.file("a", [Make.service("web", ports: [1])]), Make.file("b", [Make.service("web", ports: [2])]),
    ])
    _ = gate.apply([Make.file("a", documents: [Make.refused(Make.service("web").key, file: "a")])])
    #expect(gate.set == [Make.service("web", ports: [1])])
  }

  @Test func anObjectMovesFromFileToFileWithoutAnEdit() {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("b", [Make.service("web")])])
    let change = gate.apply([Make.file("b", []), Make.file("a", [Make.service("web")])])
    #expect(change.edits.isEmpty)
    #expect(change.stored.map(\.location.file) == ["a"])
  }

  // MARK: References

  @Test(arguments: [
    ("web", "there is no service shop/web", "host"),
    ("example.com", "there is no service com/example", "host"),
    ("www.example.com", "\"www.example.com\" is not a Kubernetes service", "host"),
    ("db||81", "service shop/db has no port 81", "port.number"),
    ("none", "service shop/none has no port", "host"),
    ("db|v1", "no DestinationRule of service shop/db has a subset \"v1\"", "subset"),
  ]) func aRouteWaitsForWhatItNames(_ destination: String, _ message: String, _ field: String) {
    var gate = AdmissionGate()
    gate.put(Make.service("db"), Make.service("none", ports: []))
    let good = Make.route("r", ["db"])
    let bad = Make.route("r", ["db", destination])
    #expect(gate.put(bad) == [])
    #expect(
      gate.problemTexts == [
        "VirtualService shop/r:1: error: VirtualService shop/r: spec.http[0].route[1].destination.\(field): "
          + "\(message); it is not served yet"
      ])
    gate.put(good)
    #expect(gate.problems.isEmpty)
    #expect(gate.put(bad) == [])
    #expect(gate.problemTexts.first?.hasSuffix("its last admitted version is served") == true)
    #expect(gate.set == [Make.service("db"), Make.service("none", ports: []), good])
  }

  @Test func theFieldAndLineAreThoseOfTheDocument() {
    var gate = AdmissionGate()
    var document = Make.document(Make.route("r", ["nowhere"]), file: "a")
    document.destinationPlaces = [.init(path: "spec.http[3].route[0].destination", line: 42)]
    _ = gate.apply([Make.file("a", documents: [document])])
    #expect(gate.problems.map(\.location?.line) == [42])
    #expect(gate.problems.map(\.field) == ["spec.http[3].route[0].destination.host"])
  }

  @Test func aWaitingRouteIsAdmittedWhenTheLastOfWhatItNamesArrives() {
    let objects = [Make.service("web"), Make.rule("web", ["v1"]), Make.route("r", ["web|v1|80"])]
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
      var gate = AdmissionGate()
      for index in order { gate.put(objects[index]) }
      #expect(gate.set == Set(objects))
      #expect(gate.problems.isEmpty)
      #expect(gate.waitingObjects.isEmpty)
    }
  }

  @Test func everyFormOfAHostNamesTheService() {
    for host in [
      "web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "Web", "wEB.Shop", "WEB.shop.SVC.Cluster.LOCAL",
    ] {
      var gate = AdmissionGate()
      gate.put(Make.service("web"), Make.rule("rule", host: host, ["v1"]), Make.route("r", ["\(host)|v1"]))
      #expect(gate.problems.isEmpty, "\(host)")
      #expect(gate.set.count == 3)
    }
    var gate = AdmissionGate(clusterDomain: "example.org")
    gate.put(Make.service("web"), Make.route("r", ["web.shop.svc.example.org"]))
    #expect(gate.set.count == 2)
  }

  @Test func aRemovalWaitsWhileARouteNamesIt() {
    var gate = AdmissionGate()
    let route = Make.route("r", ["web|v1"])
    gate.put(Make.service("web"), Make.rule("web", ["v1"]), route)
    #expect(gate.drop(Make.service("web")) == [])
    #expect(gate.drop(Make.rule("web", [])) == [])
    #expect(
      gate.problemTexts == [
        "DestinationRule shop/web:1: error: DestinationRule shop/web: its removal waits, and the last admitted version is "
          + "served: VirtualService shop/r (VirtualService shop/r:1) still names subset \"v1\"",
        "Service shop/web:1: error: Service shop/web: its removal waits, and the last admitted version is served: "
          + "VirtualService shop/r (VirtualService shop/r:1) still names it",
      ])
    #expect(gate.set.count == 3)
    #expect(gate.drop(route) == ["-VirtualService r", "-DestinationRule web", "-Service web"])
    #expect(gate.problems.isEmpty)
  }

  @Test func theLastPortWaitsWhileARouteNamesTheServiceWithoutAPort() {
    var gate = AdmissionGate()
    let route = Make.route("r", ["web"])
    gate.put(Make.service("web"), route)
    #expect(gate.put(Make.service("web", ports: [])) == [])
    #expect(gate.problemTexts.first?.hasSuffix("still names one of its ports") == true, "\(gate.problemTexts)")
    #expect(gate.drop(route) == ["+Service web", "-VirtualService r"])
    #expect(gate.problems.isEmpty)
  }

  @Test func aNarrowingWaitsAndTheRestOfItsVersionWithIt() {
    var gate = AdmissionGate()
    gate.put(
      Make.service("web", ports: [80, 81]), Make.rule("web", ["v1", "v2"]), Make.route("r", ["web|v1|80", "web|v2|81"]))
    #expect(gate.put(Make.service("web", ports: [80, 82])) == [])
    #expect(gate.put(Make.rule("web", ["v1", "v3"])) == [])
    #expect(gate.problems.map(\.field) == ["spec.subsets", "spec.ports"])
    #expect(gate.problems.map(\.message).allSatisfy { $0.contains("VirtualService shop/r") })
    #expect(gate.put(Make.route("r", ["web|v1|80"])) == ["+Service web", "+DestinationRule web", "+VirtualService r"])
    #expect(gate.problems.isEmpty)
  }

  @Test func aSubsetThatAnotherRuleStillHasMayGo() {
    var gate = AdmissionGate()
    gate.put(Make.service("web"), Make.rule("one", host: "web", ["v1"]), Make.rule("two", host: "web", ["v1"]))
    gate.put(Make.route("r", ["web|v1"]))
    #expect(gate.drop(Make.rule("one", [])) == ["-DestinationRule one"])
    #expect(gate.drop(Make.rule("two", [])) == [])
    #expect(gate.problems.count == 1)
  }

  @Test func aRuleThatTurnsToAnotherHostGivesUpItsSubsets() {
    var gate = AdmissionGate()
    gate.put(
      Make.service("web"), Make.service("db"), Make.rule("rule", host: "web", ["v1"]), Make.route("r", ["web|v1"]))
    #expect(gate.put(Make.rule("rule", host: "db", ["v1"])) == [])
    #expect(gate.put(Make.route("r", ["db|v1"])) == ["+DestinationRule rule", "+VirtualService r"])
  }

  // MARK: Changes that belong together

  @Test func aSwapIsAppliedInOneChangeAndInEitherOrderOfTwo() {
    let before = [Make.service("web"), Make.rule("web", ["v1", "v2"]), Make.route("r", ["web|v1"])]
    let rule = Make.rule("web", ["v2", "v3"])
    let route = Make.route("r", ["web|v3"])
    for batches in [[[rule, route]], [[route, rule]], [[rule], [route]], [[route], [rule]]] {
      var gate = AdmissionGate()
      gate.put(before[0], before[1], before[2])
      for batch in batches { _ = gate.apply(batch.map { Make.file("\($0.key)", [$0]) }) }
      #expect(gate.set == [before[0], rule, route])
      #expect(gate.problems.isEmpty)
    }
  }

  @Test func aRouteThatOnlyChangesElsewhereIsAdmittedThoughWhatItNamesIsToGo() {
    var gate = AdmissionGate()
    gate.put(Make.service("web"), Make.rule("web", ["v1"]), Make.route("r", ["web|v1"]))
    let later = Make.route("r", ["web|v1"], timeout: 5)
    let edits = gate.put(Make.rule("web", []), later)
    #expect(edits == ["+VirtualService r"])
    #expect(gate.waitingObjects == [Make.rule("web", []).key])
  }

  @Test func whatFellWithAnotherStandsAgainWhenThatGoesBack() {
    var gate = AdmissionGate()
    gate.put(
      Make.service("web"), Make.rule("web", ["v1", "v2"]), Make.route("holder", ["web|v1"]), Make.route("r", ["web|v1"])
    )
    // The rule gives up v1 and v2, r turns to v2, holder stays with v1: the rule has to wait, and so r can go on.
    let edits = gate.put(Make.rule("web", ["v3"]), Make.route("r", ["web|v2"]))
    #expect(edits == ["+VirtualService r"])
    #expect(gate.waitingObjects == [Make.rule("web", []).key])
  }

  @Test func aRouteThatNeedsAWaitingVersionWaitsWithIt() {
    var gate = AdmissionGate()
    gate.put(Make.service("web"), Make.rule("web", ["v1"]), Make.route("holder", ["web|v1"]))
    #expect(gate.put(Make.rule("web", ["v2"]), Make.route("r", ["web|v2"])) == [])
    #expect(gate.problems.count == 2)
    #expect(
      gate.put(Make.route("holder", ["web"])) == [
        "+DestinationRule web", "+VirtualService holder", "+VirtualService r",
      ])
    #expect(gate.problems.isEmpty)
  }

  @Test func everythingOfAServiceGoesInOneChange() {
    var gate = AdmissionGate()
    gate.put(Make.service("web"), Make.rule("web", ["v1"]), Make.route("r", ["web|v1"]), Make.route("s", ["web|v1"]))
    #expect(gate.drop(Make.service("web"), Make.rule("web", []), Make.route("r", [])) == ["-VirtualService r"])
    #expect(gate.drop(Make.route("s", [])) == ["-VirtualService s", "-DestinationRule web", "-Service web"])
  }

  @Test func aVersionThatWaitedIsForgottenWhenItIsTakenBack() {
    var gate = AdmissionGate()
    let old = Make.route("r", ["web"])
    gate.put(Make.service("web"), old)
    gate.put(Make.route("r", ["nowhere"]))
    #expect(gate.problems.count == 1)
    #expect(gate.put(old) == [])
    #expect(gate.problems.isEmpty)
    #expect(gate.waitingObjects.isEmpty)
    #expect(gate.put(Make.service("nowhere")) == ["+Service nowhere"])
  }

  // MARK: Restart

  @Test func afterARestartABrokenFileServesWhatWasAdmitted() {
    var first = AdmissionGate()
    var kept: [ObjectKey: AdmittedObject] = [:]
    let change = first.apply([
      Make.file("d/a", [Make.service("web"), Make.service("old")]), Make.file("d/b", [Make.rule("web", ["v1"])]),
      Make.file("d/c", [Make.route("r", ["web|v1"])]),
    ])
    for object in change.stored { kept[object.key] = object }

    var second = AdmissionGate()
    second.restore(kept.values.sorted { $0.key < $1.key })
    let edits = second.apply(
      [
        Make.file("d/a", [], isComplete: false),
        Make.file("d/b", documents: [Make.refused(Make.rule("web", []).key, file: "d/b")]),
        Make.file("d/c", [Make.route("r", ["web|v1", "web|v9"])]),
      ], isInitialScan: true
    ).edits
    #expect(edits.map(\.summary) == ["+Service old", "+Service web", "+DestinationRule web", "+VirtualService r"])
    #expect(second.set == first.set)
    #expect(
      second.problemTexts == [
        "d/a: error: is broken",
        "d/a: warning: what was admitted from it before stays as it was: Service shop/old, Service shop/web",
        "d/b:1: error: DestinationRule shop/web: is bad",
        "d/b:1: warning: DestinationRule shop/web: its last admitted version is served",
        "d/c:1: error: VirtualService shop/r: spec.http[0].route[1].destination.subset: no DestinationRule of service "
          + "shop/web has a subset \"v9\"; its last admitted version is served",
      ])
  }

  /// The same directory, written differently: the origin's name is the same, and the documents' is not.
  @Test func afterARestartAFileIsKnownByItsOriginWhateverItIsCalled() {
    func file(_ name: String, _ documents: [SourceDocument], isComplete: Bool = true) -> SourceUpdate {
      SourceUpdate(origin: "/x/m/\(name)", content: .documents(documents, isComplete: isComplete, problems: []))
    }
    let route = Make.route("r", ["web"])
    var first = AdmissionGate()
    let change = first.apply([
      file("a", [Make.document(Make.service("web"), file: "m/a"), Make.document(route, file: "m/a", position: 1)])
    ])
    #expect(change.stored.map(\.location.file) == ["/x/m/a", "/x/m/a"])

    var second = AdmissionGate()
    second.restore(change.stored)
    let broken = second.apply([file("a", [], isComplete: false)], isInitialScan: true)
    #expect(broken.edits.count == 2)
    #expect(broken.deleted.isEmpty)

    // And what is wrong is told in the words of whoever asked.
    #expect(first.apply([file("a", [Make.document(route, file: "m/a")])]).isEmpty)
    #expect(
      first.problemTexts == [
        "m/a:1: error: Service shop/web: its removal waits, and the last admitted version is served: VirtualService shop/r "
          + "(m/a:1) still names it"
      ])
    _ = first.apply([file("b", [Make.document(route, file: "m/b")])])
    #expect(first.problemTexts.last?.contains("is also defined at m/a:1") == true, "\(first.problemTexts)")
  }

  @Test func afterARestartWhatIsInNoFileIsRemovedUnlessItsDirectoryCannotBeRead() {
    let kept = ["d/a", "e/b"].map {
      AdmittedObject(object: Make.service(String($0.last!)), location: SourceLocation(file: $0, line: 1), text: "")
    }
    var gate = AdmissionGate()
    gate.restore(kept)
    let change = gate.apply([Make.file("e", [], isComplete: false)], isInitialScan: true)
    #expect(change.edits.map(\.summary) == ["+Service b"])
    #expect(change.deleted.map(\.id.name) == ["a"])
  }
}
