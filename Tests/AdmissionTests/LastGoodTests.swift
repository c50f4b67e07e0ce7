import Admission
import Testing
import TrafficModel

/// What was admitted last goes on being served, whatever becomes of the files, also across a restart.
@Suite struct LastGoodTests {
  /// A process after this one, with what this one had stored.
  private func restarted(_ gate: AdmissionGate, _ updates: [SourceUpdate]) -> AdmissionGate {
    var next = AdmissionGate()
    next.restore(gate.admittedObjects.sorted { $0.key < $1.key })
    _ = next.apply(updates, isInitialScan: true)
    return next
  }

  private let low = Make.service("web", ports: [1])
  private let high = Make.service("web", ports: [2])

  @Test func theWinnerOfADuplicateStaysWhileItsFileIsBrokenAcrossARestart() {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("a", [low]), Make.file("b", [high])])
    for broken in [
      Make.file("a", [], isComplete: false), Make.file("a", documents: [Make.refused(low.key, file: "a")]),
    ] {
      let next = restarted(gate, [broken, Make.file("b", [high])])
      #expect(next.set == [low])
      #expect(next.problemTexts.contains { $0.hasPrefix("b:1: error: Service shop/web: is also defined at a") })
      #expect(next.problemTexts.contains { $0.contains("stays as it was") || $0.contains("is served") })
    }
    #expect(restarted(gate, [Make.file("b", [high])]).set == [high], "its file has gone")
  }

  /// Admitted from one file, which then no longer has it; another has a newer document that is refused, and keeps it.
  @Test func aRefusedDocumentOfAnotherFileKeepsAnObjectWhenItIsCutAcrossARestart() {
    let cut = Make.file("a", [], isComplete: false)
    let without = Make.file("b", [])
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("b", [high])])
    let told = gate.apply([Make.file("a", documents: [Make.refused(high.key, file: "a")])])
    #expect(told.stored.map(\.otherOrigins) == [["a"]])
    #expect(gate.apply([without]).isEmpty)
    #expect(gate.set == [high])

    var next = restarted(gate, [cut, without])
    #expect(next.set == [high], "cut while no process was there")
    #expect(
      next.problemTexts.contains("a: warning: what was admitted from it before stays as it was: Service shop/web"))
    next = restarted(next, [cut, without])
    #expect(next.set == [high], "and there is yet another process")
    _ = gate.apply([cut])
    #expect(restarted(gate, [cut, without]).set == [high], "cut before the process ended")

    #expect(restarted(next, [without]).set.isEmpty, "the file that kept it has gone")
    #expect(restarted(next, [Make.file("a", []), without]).set.isEmpty, "it is whole, and without the object")
    #expect(next.apply([Make.file("a", [low])]).stored.map(\.otherOrigins) == [[]])
    #expect(next.set == [low])
  }

  @Test func aVersionOfAnotherFileThatWaitsKeepsAnObjectWhenItIsCutAcrossARestart() {
    let (old, new) = (Make.route("r", ["web"]), Make.route("r", ["nowhere"]))
    let web = Make.file("web", [low])
    var gate = AdmissionGate()
    _ = gate.apply([web, Make.file("b", [old])])
    _ = gate.apply([Make.file("a", [new])])
    _ = gate.apply([Make.gone("b")])
    #expect(gate.set == [low, old])
    var next = restarted(gate, [web, Make.file("a", [], isComplete: false)])
    #expect(next.set == [low, old])
    _ = next.apply([Make.gone("a")])
    #expect(next.set == [low])
  }

  @Test func aDirectoryThatCannotBeReadKeepsWhatWasInItUntilItCan() {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("d/a", [low]), Make.file("d/b", [Make.service("db")]), Make.file("e", [])])
    let unreadable = SourceUpdate(
      origin: "d",
      content: .documents(
        [], isComplete: false, problems: [Problem(.error, at: SourceLocation(file: "./d"), "cannot be read")]))
    var next = restarted(gate, [unreadable, Make.file("e", [])])
    #expect(next.set == gate.set)
    #expect(
      next.problemTexts == [
        "./d: error: cannot be read",
        "./d: warning: what was admitted from it before stays as it was: Service shop/db, Service shop/web",
      ])
    // Something else goes: no word on these.
    _ = next.apply([Make.gone("e")])
    #expect(next.set == gate.set)
    // Now it can be read, and one of its files is no longer there.
    let change = next.apply([Make.gone("d"), Make.file("d/b", [Make.service("db")])])
    #expect(change.deleted == [low.key])
    #expect(next.set == [Make.service("db")])
    #expect(next.problems.isEmpty)
  }

  @Test func aDirectoryBelowOneThatCanBeReadAgainKeepsItsOwnUntilItsTurn() {
    var gate = AdmissionGate()
    _ = gate.apply([Make.file("d/a", [low]), Make.file("d/sub/b", [Make.service("db")])])
    var next = restarted(gate, [Make.file("d", [], isComplete: false)])
    _ = next.apply([Make.gone("d"), Make.file("d/sub", [], isComplete: false)])
    #expect(next.set == [Make.service("db")])
    _ = next.apply([Make.gone("d/sub")])
    #expect(next.set.isEmpty)
  }

  @Test func whatWaitsBeforeARestartWaitsAfterItForTheSameReason() {
    let files = [
      Make.file("s", [Make.service("web", ports: [80]), Make.slice("web", "10.0.0.1")]),
      Make.file("d", [Make.rule("web", ["v2"])]),
      Make.file("r", [Make.route("r", ["web|v1|81"])]),
      Make.file("q", [Make.route("q", ["web|v3"])]),
    ]
    var gate = AdmissionGate()
    _ = gate.apply([
      Make.file("s", [Make.service("web", ports: [80, 81]), Make.slice("web", "10.0.0.1")]),
      Make.file("d", [Make.rule("web", ["v1"])]), files[2], Make.file("q", [Make.route("q", ["web|v1"])]),
    ])
    for file in files { _ = gate.apply([file]) }
    #expect(gate.waitingObjects.map(\.kind) == [.destinationRule, .service, .virtualService])
    let next = restarted(gate, files)
    #expect(next.set == gate.set)
    #expect(next.waitingObjects == gate.waitingObjects)
    #expect(next.problems == gate.problems)
  }

  /// Files come, break, go and are moved; at some time the process is another one. What it admits is what the one before
  /// admitted, or what a file says now.
  @Test(arguments: 0..<150 as Range<UInt64>) func aRestartChangesNothingButByGoodFiles(_ seed: UInt64) {
    var random = AdmissionPropertyTests.Random(state: seed)
    var gate = AdmissionGate()
    var files: [String: SourceUpdate] = [:]
    var keptBroken = 0
    for step in 0..<60 {
      var updates: [String: SourceUpdate] = [:]
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let name = ["a", "b", "c", "d"].randomElement(using: &random)!
        updates[name] = Self.anyUpdate(name, &random)
      }
      let sorted = updates.values.sorted { $0.origin < $1.origin }
      let same = files.values.sorted { $0.origin < $1.origin }
      for update in sorted {
        if case .removed = update.content { files[update.origin] = nil } else { files[update.origin] = update }
      }
      guard Int.random(in: 0..<4, using: &random) == 0 else {
        _ = gate.apply(sorted)
        continue
      }
      // With the files as they were, whatever they say, nothing is lost. (A removal that waited may be waited for no longer:
      // a broken document of which nothing was ever admitted stands in nobody's way now.)
      let lost = Set(gate.set.map(\.key)).subtracting(restarted(gate, same).set.map(\.key))
      #expect(step == 0 || lost.isSubset(of: gate.waitingObjects), "seed \(seed), step \(step)")
      let next = restarted(gate, files.values.sorted { $0.origin < $1.origin })
      #expect(AdmissionPropertyTests.holds(next.set), "seed \(seed), step \(step)")
      var written: Set<TrafficObject> = []
      var hasBroken = false
      for case .documents(let documents, let isComplete, _) in files.values.map(\.content) {
        written.formUnion(documents.compactMap(\.object))
        hasBroken = hasBroken || !isComplete
      }
      for object in next.set where !gate.set.contains(object) {
        #expect(written.contains(object), "seed \(seed), step \(step): \(object.key) is neither old nor written")
      }
      let keys = Set(next.set.map(\.key))
      let complete = files.values.allSatisfy { if case .documents(_, true, _) = $0.content { true } else { false } }
      for object in gate.set where !keys.contains(object.key) {
        // Gone: then the file that it was admitted from is there and complete, or has gone.
        let origin = gate.admitted(object.key)!.location.file
        if case .documents(_, false, _)? = files[origin]?.content {
          Issue.record("seed \(seed), step \(step): \(object.key) is gone with a broken file")
        }
      }
      for object in next.set where !written.contains(object) && hasBroken {
        keptBroken += object.key.kind == .service ? 1 : 0
      }
      if complete, !gate.problems.contains(where: { $0.message.contains("last admitted version") }) {
        // Nothing to remember: as if it had always been this process.
        var fresh = AdmissionGate()
        _ = fresh.apply(files.values.sorted { $0.origin < $1.origin }, isInitialScan: true)
        if fresh.problemCounts.errors == 0 { #expect(next.set == fresh.set, "seed \(seed), step \(step)") }
      }
      gate = next
    }
    if seed == 0 { #expect(keptBroken > 0) }
  }

  private static func anyUpdate(_ name: String, _ random: inout AdmissionPropertyTests.Random) -> SourceUpdate {
    if Int.random(in: 0..<8, using: &random) == 0 { return Make.gone(name) }
    var keys: Set<ObjectKey> = []
    let objects = (0..<Int.random(in: 0...4, using: &random)).map { _ in AdmissionPropertyTests.anyObject(&random) }
      .filter { keys.insert($0.key).inserted }
    let documents = objects.enumerated().map { position, object in
      Int.random(in: 0..<5, using: &random) == 0
        ? Make.refused(object.key, file: name, position: position)
        : Make.document(object, file: name, position: position)
    }
    return Make.file(name, documents: documents, isComplete: Int.random(in: 0..<3, using: &random) > 0)
  }
}
