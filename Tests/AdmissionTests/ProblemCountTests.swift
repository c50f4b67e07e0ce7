import Admission
import Testing
import TrafficModel

@Suite struct ProblemCountTests {
  @Test func aChangeTellsOnlyWhatIsNew() {
    var gate = AdmissionGate()
    let web = Make.service("web")
    #expect(gate.apply([Make.file("a", [web])]).newProblems.isEmpty)
    let broken = Make.file("a", documents: [Make.refused(web.key, file: "a")])
    #expect(gate.apply([broken]).newProblems.map(\.message) == ["is bad", "its last admitted version is served"])
    #expect(gate.apply([broken]).newProblems.isEmpty, "told once")
    let moved = Make.file("a", documents: [Make.refused(web.key, file: "a", position: 3)])
    #expect(gate.apply([moved]).newProblems.isEmpty, "another line is no news")
    #expect(gate.problems.map(\.location?.line) == [31, 31])
    #expect(gate.apply([Make.file("b", [Make.service("db")])]).newProblems.isEmpty)
    #expect(gate.apply([Make.file("a", [web])]).newProblems.isEmpty)
    #expect(gate.apply([broken]).newProblems.count == 2, "gone and back again")
    #expect(gate.problemCounts == (1, 1))
  }

  @Test func whoeverWaitsIsTold() {
    var gate = AdmissionGate()
    let change = gate.apply([Make.file("r", [Make.route("r", ["nowhere"])]), Make.file("x", [], isComplete: false)])
    #expect(change.newProblems == gate.problems)
    #expect(change.newProblems.map(\.object?.id.name) == ["r", nil])
    #expect(change.isEmpty)
    #expect(gate.put(Make.service("nowhere")).count == 2)
    #expect(gate.problemCounts == (1, 0))
  }

  @Test(arguments: 0..<30 as Range<UInt64>) func theCountsAreThoseOfTheList(_ seed: UInt64) {
    var random = AdmissionPropertyTests.Random(state: seed)
    var gate = AdmissionGate()
    var known: Set<String> = []
    for step in 0..<60 {
      let file = "f\(Int.random(in: 0..<4, using: &random))"
      let documents = (0..<Int.random(in: 0..<4, using: &random)).map { position -> SourceDocument in
        let object = AdmissionPropertyTests.anyObject(&random)
        var document =
          Bool.random(using: &random)
          ? Make.document(object, file: file, position: position)
          : Make.refused(object.key, file: file, position: position)
        if Bool.random(using: &random) {
          document.problems.append(Problem(.warning, at: document.location, object: object.key, "is odd"))
        }
        return document
      }
      let update =
        Int.random(in: 0..<4, using: &random) == 0
        ? Make.gone(file)
        : Make.file(file, documents: documents, isComplete: Bool.random(using: &random))
      let new = gate.apply([update]).newProblems.map(\.description)
      let all = gate.problems
      let errors = all.count { $0.severity == .error }
      #expect(gate.problemCounts == (errors, all.count - errors), "seed \(seed), step \(step)")
      let texts = Set(all.map(\.description))
      #expect(texts.isSuperset(of: new), "seed \(seed), step \(step)")
      let untold = texts.subtracting(known).subtracting(new)
      // What moved within its file has a new line and is no news.
      func unplaced(_ text: String) -> Substring { text.drop { $0 != " " } }
      #expect(
        untold.allSatisfy { text in known.contains { unplaced($0) == unplaced(text) } }, "seed \(seed), step \(step)")
      known = texts
    }
  }

  @Test func aChangeCostsNothingForTheProblemsThatAreThere() {
    func cost(_ count: Int) -> Duration {
      var gate = AdmissionGate()
      _ = gate.apply((0..<count).map { Make.file("f\($0)", [Make.route("r\($0)", ["nowhere\($0)"])]) })
      let clock = ContinuousClock()
      return (0..<50).map { step in
        clock.measure {
          _ = gate.apply([Make.file("f7", [Make.route("r7", ["nowhere\(step)"])])]).newProblems
          _ = gate.problemCounts
        }
      }.sorted()[25]
    }
    let small = cost(100)
    let large = cost(5_000)
    #expect(large < small * 5, "\(small) among 100, \(large) among 5000")
  }
}
