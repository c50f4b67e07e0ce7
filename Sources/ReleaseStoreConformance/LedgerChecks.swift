import ReleaseStores

extension ReleaseStoreConformance {
  static let ledgerChecks: [Check] = [
    Check("statements become a chain of entries") { context in
      let first = try await context.commit(ReleaseCommit(statements: [statement(1), statement(2)])).entries
      let second = try await context.commit(ReleaseCommit(statements: [statement(3)])).entries
      let entries = first + second
      try expect(entries.map(\.sequence) == [1, 2, 3], "\(entries.map(\.sequence))")
      try expect(entries.map(\.statement) == (1...3).map { statement($0) }, "the statements are others")
      try expect(entries[0].previousHash == .none, "the first follows something")
      try expect(
        zip(entries, entries.dropFirst()).allSatisfy { $0.hash == $1.previousHash }
          && entries.allSatisfy(\.isConsistent),
        "they do not follow one another")
      try await context.nowAndAfterRestart { store in
        try expect(try await store.ledger(after: 0, limit: 10, of: nil) == entries, "what is kept is not what was said")
        try expect(try await store.ledgerHead() == entries[2].mark, "the head is another")
        let finding = try await store.verifyLedger(against: [entries[0].mark], pageSize: 2)
        try expect(finding == nil, "\(finding as Any)")
      }
    },
    Check("every kind of value comes back as it was") { context in
      let texts = [
        "", "x", "a \"b\" \\ / \n\t", "Ä\u{308}e\u{301}é 重み 🚀", "\u{202E}", String(repeating: "long ", count: 5_000),
      ]
      var statements = texts.map { text in
        LedgerStatement(
          release: text, host: text, actor: text, action: text, reason: text, at: Timestamp(millisecondsSince1970: 0),
          outcome: text, attributes: [text: text, "b": "", "a": "1"])
      }
      statements += [UInt64(0), 1, UInt64(Int64.max), .max].map { number in
        LedgerStatement(
          release: "r", host: "h", actor: "a", action: "x", fromWeight: 0, toWeight: .max, generation: number,
          at: Timestamp(millisecondsSince1970: 253_402_300_799_999),
          liveEverywhereAt: Timestamp(millisecondsSince1970: -1), refersTo: 1)
      }
      let entries = try await context.commit(ReleaseCommit(statements: statements)).entries
      try await context.nowAndAfterRestart { store in
        let kept = try await store.ledger(after: 0, limit: 100, of: nil)
        try expect(kept == entries && kept.map(\.statement) == statements, "they are others")
        let finding = try await store.verifyLedger()
        try expect(finding == nil, "\(finding as Any)")
      }
    },
    Check("the ledger is read in pages, and by release") { context in
      try await context.commit(
        ReleaseCommit(statements: (1...7).map { statement($0, release: $0 % 2 == 0 ? "even" : "odd") }))
      try await context.nowAndAfterRestart { store in
        func sequences(_ after: UInt64, _ limit: Int, _ release: String?) async throws -> [UInt64] {
          try await store.ledger(after: after, limit: limit, of: release).map(\.sequence)
        }
        try expect(try await sequences(0, 3, nil) == [1, 2, 3], "the first page")
        try expect(try await sequences(3, 3, nil) == [4, 5, 6], "the second page")
        try expect(try await sequences(6, 3, nil) == [7], "the last page")
        try expect(try await sequences(.max, 3, nil) == [], "after everything")
        try expect(try await sequences(0, 2, "even") == [2, 4], "the first page of a release")
        try expect(try await sequences(4, 9, "even") == [6], "the last page of a release")
        try expect(try await sequences(0, 9, "none") == [], "of no release")
      }
    },
    Check("a later entry says when an earlier one was live everywhere") { context in
      let first = try await context.commit(ReleaseCommit(statements: [statement(1)])).entries[0]
      let later = try await context.commit(
        ReleaseCommit(
          statements: [.liveEverywhere(first, actor: "weir", at: Timestamp(millisecondsSince1970: 1_050))])
      ).entries[0]
      try await context.nowAndAfterRestart { store in
        let kept = try await store.ledger(after: 0, limit: 9, of: nil)
        try expect(kept == [first, later], "the first one was changed, or the second is not there")
        try expect(kept[1].statement.refersTo == 1, "it refers to \(kept[1].statement.refersTo as Any)")
      }
    },
    Check("a deleted release leaves its history") { context in
      let made = try await context.commit(
        ReleaseCommit(writes: [.create(id: "r", body: [])], statements: [statement(1)]))
      try await context.commit(ReleaseCommit(writes: [.delete(id: "r", revision: made.revision)]))
      try await context.nowAndAfterRestart { store in
        try expect(try await store.ledger(after: 0, limit: 9, of: "r").count == 1, "it is gone")
      }
    },
  ]
}
