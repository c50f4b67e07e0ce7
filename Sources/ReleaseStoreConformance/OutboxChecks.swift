import ReleaseStores

extension ReleaseStoreConformance {
  private static func draft(_ webhook: String, _ body: UInt8, statement: Int? = nil) -> OutboxDraft {
    OutboxDraft(webhook: webhook, body: [body], at: Timestamp(millisecondsSince1970: 5), statement: statement)
  }

  static let outboxChecks: [Check] = [
    Check("notifications wait in the order of their commits, each webhook's by themselves") { context in
      try await context.commit(ReleaseCommit(notifications: [draft("a", 1), draft("b", 1), draft("a", 2)]))
      try await context.commit(ReleaseCommit(notifications: [draft("a", 3)]))
      try await context.nowAndAfterRestart { store in
        let items = try await store.outbox(of: "a", limit: 10)
        try expect(items.map(\.body) == [[1], [2], [3]], "\(items)")
        try expect(zip(items, items.dropFirst()).allSatisfy { $0.sequence < $1.sequence }, "\(items.map(\.sequence))")
        try expect(try await store.outbox(of: "a", limit: 2).map(\.body) == [[1], [2]], "the limit is not kept")
        try expect(try await store.load().waiting == ["a": 3, "b": 1], "they are counted otherwise")
        try expect(try await store.outbox(of: "c", limit: 2).isEmpty, "there is something for nobody")
      }
    },
    Check("an item carries the entry that it tells of") { context in
      let receipt = try await context.commit(
        ReleaseCommit(
          statements: [statement(1), statement(2)], notifications: [draft("a", 1, statement: 1), draft("a", 2)]))
      try await context.nowAndAfterRestart { store in
        let items = try await store.outbox(of: "a", limit: 10)
        try expect(items == receipt.notifications, "the receipt says otherwise")
        try expect(items.map(\.entry) == [receipt.entries[1].mark, nil], "\(items)")
      }
    },
    Check("what is delivered is gone, and its number is not used again") { context in
      let items = try await context.commit(ReleaseCommit(notifications: [draft("a", 1), draft("a", 2)])).notifications
      try await context.commit(ReleaseCommit(delivered: items.map(\.sequence) + [9_999]))
      var store = context.store
      if let reopened = try await context.subject.reopen() { store = reopened }
      try expect(try await store.load().waiting.isEmpty, "something waits")
      let next = try await store.commit(ReleaseCommit(notifications: [draft("a", 3)])).receipt?.notifications.first
      try expect((next?.sequence ?? 0) > items[1].sequence, "\(next as Any) after \(items)")
    },
    Check("a postponed item stays at its place, with what went wrong") { context in
      let items = try await context.commit(ReleaseCommit(notifications: [draft("a", 1), draft("a", 2)])).notifications
      let later = OutboxPostponement(
        sequence: items[0].sequence, attempts: 3, notBefore: Timestamp(millisecondsSince1970: 77), reason: "503: ä")
      try await context.commit(ReleaseCommit(postponed: [later]))
      try await context.commit(
        ReleaseCommit(
          postponed: [OutboxPostponement(sequence: 9_999, attempts: 1, notBefore: later.notBefore, reason: "")]))
      try await context.nowAndAfterRestart { store in
        var expected = items
        expected[0].attempts = 3
        expected[0].notBefore = later.notBefore
        expected[0].reason = later.reason
        let kept = try await store.outbox(of: "a", limit: 10)
        try expect(kept == expected, "\(kept)")
      }
    },
  ]
}
