import ReleaseStores

extension ReleaseStoreConformance {
  private static func answer(
    _ key: String, requester: String = "ci", digest: [UInt8] = [1, 2], result: [UInt8] = [7], at time: Int64 = 1_000
  ) -> KeptAnswer {
    KeptAnswer(
      request: IdempotentRequest(key: key, requester: requester, digest: digest), result: result,
      at: Timestamp(millisecondsSince1970: time))
  }

  static let answerChecks: [Check] = [
    Check("a repeated request is answered as before, and changes nothing") { context in
      let first = answer("k", result: [7, 0, 7])
      try expect(try await context.store.answer(to: first.request) == nil, "an answer before the request")
      try await context.commit(
        ReleaseCommit(writes: [.create(id: "a", body: [1])], statements: [statement(1)], answer: first))
      try await context.nowAndAfterRestart { store in
        let before = try await Contents(store)
        try expect(try await store.answer(to: first.request) == [7, 0, 7], "the answer is another")
        // Its record is there already; that is not what is answered.
        let outcome = try await store.commit(
          ReleaseCommit(
            writes: [.create(id: "a", body: [1])], statements: [statement(1)], answer: answer("k", result: [8])))
        try expect(outcome == .repeated([7, 0, 7]), "\(outcome)")
        try expect(try await Contents(store) == before, "it was carried out again")
      }
    },
    Check("a key that stands for another request is refused") { context in
      try await context.commit(ReleaseCommit(answer: answer("k", result: [99])))
      for other in [answer("k", digest: [1]), answer("k", requester: "somebody"), answer("k", digest: [])] {
        try await context.refuses(
          ReleaseCommit(writes: [.create(id: "a", body: [])], answer: other), as: .keyReused, naming: "k",
          "another request under the same key")
        do {
          let told = try await context.store.answer(to: other.request)
          throw Failure(description: "the answer of another request was given: \(told as Any)")
        } catch let error as ReleaseStoreError {
          try expect(error.code == .keyReused, "\(error)")
        }
      }
      try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [])], answer: answer("k2")))
    },
    Check("a request that was refused may be sent again under its key") { context in
      try await context.refuses(
        ReleaseCommit(writes: [.delete(id: "a", revision: 1)], answer: answer("k")), as: .stale, "a delete of nothing")
      let receipt = try await context.commit(ReleaseCommit(writes: [.create(id: "a", body: [])], answer: answer("k")))
      try expect(receipt.revision > 0, "no revision")
    },
    Check("answers are forgotten by age") { context in
      try await context.commit(ReleaseCommit(answer: answer("old", at: 1_000)))
      try await context.commit(ReleaseCommit(answer: answer("edge", at: 2_000)))
      try await context.commit(
        ReleaseCommit(answer: answer("new", at: 3_000), forgetAnswersBefore: Timestamp(millisecondsSince1970: 2_000)))
      try await context.nowAndAfterRestart { store in
        try expect(try await store.answer(to: answer("old").request) == nil, "the old one is there")
        try expect(try await store.answer(to: answer("edge").request) == [7], "the one on the edge is gone")
        try expect(try await store.answer(to: answer("new").request) == [7], "the new one is gone")
      }
    },
    Check("of the same request many times at once, one is carried out") { context in
      let store = context.store
      let outcomes = try await withThrowingTaskGroup(of: CommitOutcome.self) { group in
        for writer in 0..<8 {
          group.addTask {
            try await store.commit(
              ReleaseCommit(
                writes: [.create(id: "a", body: [UInt8(writer)])], answer: answer("k", result: [UInt8(writer)])))
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      let body = try await store.load().records.first?.body
      let repeated = outcomes.filter { $0.receipt == nil }
      try expect(repeated.count == 7, "\(8 - repeated.count) were carried out")
      try expect(repeated.allSatisfy { $0 == .repeated(body ?? []) }, "they were answered differently: \(repeated)")
    },
  ]
}
