import ReleaseStores

extension ReleaseStoreConformance {
  static let recordChecks: [Check] = [
    Check("an empty store has nothing") { context in
      try await context.nowAndAfterRestart { store in
        let loaded = try await store.load()
        try expect(loaded == StoredReleases(), "it has \(loaded)")
        try expect(try await store.ledgerHead() == .start, "it has a ledger")
      }
    },
    Check("what was committed is there, by id") { context in
      let first = try await context.commit(
        ReleaseCommit(writes: [
          .create(id: "b", body: [1, 0, 255]), .create(id: "ä", body: []), .create(id: "a", body: [2]),
        ]))
      try await context.nowAndAfterRestart { store in
        let records = try await store.load().records
        let expected = [("a", [2]), ("b", [1, 0, 255]), ("ä", [])] as [(String, [UInt8])]
        try expect(
          records == expected.map { ReleaseRecord(id: $0.0, revision: first.revision, body: $0.1) }, "\(records)")
      }
    },
    Check("an update takes the revision that was read, and gives a higher one") { context in
      let first = try await context.commit(
        ReleaseCommit(writes: [.create(id: "a", body: [1]), .create(id: "b", body: [1])]))
      let second = try await context.commit(
        ReleaseCommit(writes: [.update(id: "a", revision: first.revision, body: [2])]))
      try expect(second.revision > first.revision, "\(second.revision) after \(first.revision)")
      try await context.refuses(
        ReleaseCommit(writes: [.update(id: "a", revision: first.revision, body: [3])]), as: .stale, naming: "a",
        "an update of what was read before another update")
      try await context.nowAndAfterRestart { store in
        let records = try await store.load().records
        try expect(
          records == [
            ReleaseRecord(id: "a", revision: second.revision, body: [2]),
            ReleaseRecord(id: "b", revision: first.revision, body: [1]),
          ], "\(records)")
      }
    },
    Check("a record that is there is not created, and one that is not there neither updated nor deleted") { context in
      let made = try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [1])]))
      try await context.refuses(
        ReleaseCommit(writes: [.create(id: "a", body: [2])]), as: .stale, naming: "a", "a second of one id")
      for write in [ReleaseWrite.update(id: "x", revision: made.revision, body: []), .delete(id: "x", revision: 1)] {
        try await context.refuses(ReleaseCommit(writes: [write]), as: .stale, naming: "x", "\(write)")
      }
    },
    Check("a revision is never used twice, not even by a record that was deleted and made again") { context in
      let first = try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [1])]))
      try await context.commit(ReleaseCommit(writes: [.delete(id: "a", revision: first.revision)]))
      if let reopened = try await context.subject.reopen() {
        var later = context
        later.store = reopened
        try await again(later, first.revision)
      } else {
        try await again(context, first.revision)
      }
      func again(_ context: Context, _ old: UInt64) async throws {
        let second = try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [2])]))
        try expect(second.revision > old, "\(second.revision) after \(old)")
        try await context.refuses(
          ReleaseCommit(writes: [.update(id: "a", revision: old, body: [3])]), as: .stale,
          "a revision of a former record")
      }
    },
    Check("a requirement that is not met takes everything back") { context in
      let made = try await context.commit(
        ReleaseCommit(writes: [.create(id: "a", body: [1]), .create(id: "b", body: [1])]))
      let moved = try await context.commit(
        ReleaseCommit(writes: [.update(id: "b", revision: made.revision, body: [2])]))
      let everything = ReleaseCommit(
        writes: [
          .update(id: "a", revision: made.revision, body: [9]), .create(id: "c", body: [9]),
          .require(id: "b", revision: made.revision),
        ], statements: [statement(1)],
        answer: KeptAnswer(
          request: IdempotentRequest(key: "k", requester: "ci", digest: [1]), result: [1],
          at: Timestamp(millisecondsSince1970: 1)),
        notifications: [OutboxDraft(webhook: "w", body: [1], at: Timestamp(millisecondsSince1970: 1), statement: 0)])
      try await context.refuses(everything, as: .stale, naming: "b", "a commit on an old record")
      var good = everything
      good.writes[2] = .require(id: "b", revision: moved.revision)
      let receipt = try await context.commit(good)
      try await context.nowAndAfterRestart { store in
        let loaded = try await store.load()
        try expect(loaded.records.map(\.body) == [[9], [2], [9]], "\(loaded.records)")
        try expect(loaded.records[1].revision == moved.revision, "a requirement has changed its record")
        try expect(loaded.waiting == ["w": 1] && loaded.head == receipt.entries.last?.mark, "\(loaded)")
      }
    },
    Check("of commits on the same revision at the same time, one is taken") { context in
      var revision = try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [0])])).revision
      for round in 1...20 {
        let (base, store) = (revision, context.store)
        let taken = try await withThrowingTaskGroup(of: UInt64?.self) { group in
          for writer in 0..<8 {
            group.addTask {
              do {
                return try await store.commit(
                  ReleaseCommit(
                    writes: [.update(id: "a", revision: base, body: [UInt8(round), UInt8(writer)])],
                    statements: [statement(writer)])
                ).receipt?.revision
              } catch let error as ReleaseStoreError where error.code == .stale {
                return nil
              }
            }
          }
          return try await group.reduce(into: [UInt64]()) { if let revision = $1 { $0.append(revision) } }
        }
        try expect(taken.count == 1, "\(taken.count) were taken")
        revision = taken[0]
      }
      try await context.nowAndAfterRestart { store in
        let finding = try await store.verifyLedger()
        try expect(finding == nil, "\(finding as Any)")
        try expect(try await store.ledgerHead().sequence == 20, "the ledger has not one entry a commit")
      }
    },
    Check("what no store takes is refused as invalid") { context in
      let request = IdempotentRequest(key: "", requester: "ci", digest: [])
      let time = Timestamp(millisecondsSince1970: 1)
      var nul = statement(1)
      nul.reason = "a\u{0}b"
      var attribute = statement(1)
      attribute.attributes = ["a": "\u{0}"]
      var future = statement(1)
      future.refersTo = 1
      let distant = statement(1, at: 253_402_300_800_000)
      let invalid: [(String, ReleaseCommit)] = [
        ("a year with five digits", ReleaseCommit(statements: [distant])),
        ("an id twice", ReleaseCommit(writes: [.create(id: "a", body: []), .require(id: "a", revision: 1)])),
        ("an empty id", ReleaseCommit(writes: [.create(id: "", body: [])])),
        ("a NUL in an id", ReleaseCommit(writes: [.create(id: "a\u{0}", body: [])])),
        ("a NUL in a reason", ReleaseCommit(statements: [nul])),
        ("a NUL in an attribute", ReleaseCommit(statements: [attribute])),
        ("a reference to itself", ReleaseCommit(statements: [future])),
        ("an empty key", ReleaseCommit(answer: KeptAnswer(request: request, result: [], at: time))),
        ("an empty webhook", ReleaseCommit(notifications: [OutboxDraft(webhook: "", body: [], at: time)])),
        (
          "a statement that is none",
          ReleaseCommit(notifications: [OutboxDraft(webhook: "w", body: [], at: time, statement: 0)])
        ),
      ]
      for (what, commit) in invalid { try await context.refuses(commit, as: .invalid, what) }
    },
    Check("an empty commit changes nothing that is seen") { context in
      try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [1])]))
      let before = try await Contents(context.store)
      try await context.commit(ReleaseCommit())
      try expect(try await Contents(context.store) == before, "it did")
    },
  ]
}
