import Testing

@testable import ReleaseStores

/// What somebody may do to a ledger, and what is found.
@Suite struct LedgerVerifierTests {
  private let ledger = LedgerSamples.ledger(8)
  private var head: LedgerMark { ledger[7].mark }

  private func finding(_ entries: [LedgerEntry], marks: [LedgerMark] = []) -> LedgerFinding? {
    LedgerVerifier.verify(entries, head: head, marks: marks)
  }

  private func renumbered(_ entries: [LedgerEntry]) -> [LedgerEntry] {
    entries.enumerated().map { index, entry in
      var entry = entry
      entry.sequence = UInt64(index + 1)
      return entry
    }
  }

  @Test func aGoodLedgerIsGood() {
    #expect(finding(ledger, marks: [ledger[0].mark, ledger[7].mark]) == nil)
    #expect(LedgerVerifier.verify([], head: .start) == nil)
    #expect(LedgerVerifier.verify(LedgerSamples.ledger(1), head: LedgerSamples.ledger(1)[0].mark) == nil)
  }

  /// Each field by itself, in each entry.
  @Test func anyChangeOfAnyFieldIsFound() throws {
    let changes: [(String, (inout LedgerStatement) -> Void)] = [
      ("release", { $0.release += "x" }), ("host", { $0.host += "x" }), ("actor", { $0.actor += "x" }),
      ("action", { $0.action += "x" }), ("reason", { $0.reason += "x" }), ("reason", { $0.reason = "" }),
      ("from", { $0.fromWeight! += 1 }), ("from", { $0.fromWeight = nil }), ("to", { $0.toWeight! += 1 }),
      ("to", { $0.toWeight = nil }), ("generation", { $0.generation! += 1 }), ("generation", { $0.generation = nil }),
      ("at", { $0.at.millisecondsSince1970 += 1 }), ("live", { $0.liveEverywhereAt = $0.at }),
      ("refers", { $0.refersTo = 1 }), ("outcome", { $0.outcome += "x" }),
      ("attribute", { $0.attributes["step"]! += "x" }), ("attribute", { $0.attributes["step"] = nil }),
      ("attribute", { $0.attributes["more"] = "" }),
      // What has the same characters, in another place.
      ("boundary", { ($0.actor, $0.action) = ($0.actor + $0.action, "") }),
      ("exchange", { ($0.fromWeight, $0.toWeight) = ($0.toWeight, $0.fromWeight) }),
    ]
    for index in ledger.indices {
      for (field, change) in changes {
        var forged = ledger
        change(&forged[index].statement)
        let found = try #require(finding(forged), "\(field) of entry \(index + 1)")
        #expect(found.kind == .changed, "\(field): \(found)")
        #expect(found.sequence == UInt64(index + 1), "\(field): \(found)")
      }
    }
  }

  @Test func aChangeWithItsHashIsFoundByTheNextEntryOrTheHead() throws {
    for index in ledger.indices {
      var forged = ledger
      forged[index].statement.reason = "forged"
      forged[index] = forged[index].resealed()
      let found = try #require(finding(forged))
      #expect(found.kind == .changed)
      #expect(found.sequence == UInt64(index + 1), "\(found)")
    }
  }

  @Test func aRemovedEntryIsFound() throws {
    for index in ledger.indices {
      var cut = ledger
      cut.remove(at: index)
      let found = try #require(finding(cut))
      #expect(found.kind == .removed)
      #expect(found.sequence == UInt64(index + 1), "\(found)")
      let closed = try #require(finding(renumbered(cut)))
      #expect(closed.kind == .removed, "\(closed)")
      #expect(closed.sequence == UInt64(index + 1), "\(closed)")
    }
  }

  @Test func severalRemovedEntriesAreFound() throws {
    var cut = ledger
    cut.removeSubrange(2...4)
    for entries in [cut, renumbered(cut)] {
      let found = try #require(finding(entries))
      #expect(found.kind == .removed)
      #expect(found.sequence == 3)
      #expect(found.message.hasPrefix("entries 3 to 5 were removed"), "\(found)")
    }
    let tail = try #require(finding(Array(ledger.prefix(5))))
    #expect(tail.message == "entries 6 to 8 were removed from the end: the store has counted 8")
  }

  @Test func exchangedEntriesAreFound() throws {
    for index in ledger.indices.dropLast() {
      var swapped = ledger
      swapped.swapAt(index, index + 1)
      for entries in [swapped, renumbered(swapped)] {
        let found = try #require(finding(entries))
        #expect(found.kind == .reordered, "\(found)")
        #expect([UInt64(index + 1), UInt64(index + 2)].contains(found.sequence), "\(found)")
      }
    }
  }

  /// An entry that follows the one before as it should; what stood there moves on.
  @Test func anInsertedEntryIsFound() throws {
    for index in ledger.indices.dropFirst() {
      let forged = LedgerEntry(LedgerSamples.statement(99), after: ledger[index - 1].mark)
      var more = ledger
      more.insert(forged, at: index)
      for entries in [more, renumbered(more), renumbered(more).map { $0.resealed() }] {
        let found = try #require(finding(entries))
        #expect(found.kind == .inserted, "\(found)")
        #expect(found.sequence == UInt64(index + 1), "\(found)")
      }
    }
    let appended = ledger + [LedgerEntry(LedgerSamples.statement(99), after: head)]
    let found = try #require(finding(appended))
    #expect(found.kind == .inserted)
    #expect(found.sequence == 9)
  }

  @Test func aBeginningThatWasCutOffIsFound() throws {
    let found = try #require(finding(renumbered(Array(ledger.dropFirst(3))).map { $0.resealed() }))
    #expect(found.kind == .removed)
    #expect(found.sequence == 1)
  }

  /// Whoever writes everything anew, head included, is found only by what was noted elsewhere.
  @Test func aRewrittenLedgerIsFoundByAMark() throws {
    let forged = LedgerEntry.chain((1...8).map { LedgerSamples.statement($0 == 4 ? 99 : $0) }, after: .start)
    #expect(LedgerVerifier.verify(forged, head: forged[7].mark) == nil)
    #expect(LedgerVerifier.verify(forged, head: forged[7].mark, marks: [ledger[2].mark]) == nil, "before the forgery")
    let found = try #require(LedgerVerifier.verify(forged, head: forged[7].mark, marks: [ledger[5].mark]))
    #expect(found.kind == .changed)
    #expect(found.sequence == 6)
    let short = Array(ledger.prefix(5))
    #expect(LedgerVerifier.verify(short, head: short[4].mark) == nil)
    let cut = try #require(LedgerVerifier.verify(short, head: short[4].mark, marks: [ledger[6].mark]))
    #expect(cut.kind == .removed)
    #expect(cut.message == "entries 6 to 7 were removed from the end: entry 7 was noted elsewhere")
  }
}
