internal import NIOCore

// Questions to all event loops. They are asked at the same time, and the answer takes as long as that of the slowest; so those
// that can be passed over are.
extension XDSServer {
  /// What of the streams whose clients have said who they are. Loops without such streams are not waited for: one of the lowest
  /// priority may take long.
  func gather<Part: Sendable>(_ read: @escaping @Sendable (LoopStreams) -> Part) async -> [Part] {
    let answers = allLoops.filter(\.presence.hasProxies).map { loop in
      loop.eventLoop.submit { [streams = loop.streams] in read(streams.value) }
    }
    var parts: [Part] = []
    for answer in answers {
      // Fails only when the loop is shut down, and its streams with it.
      if let part = try? await answer.get() { parts.append(part) }
    }
    return parts
  }

  /// How long counts wait for a loop that is served last; after that they are those that it gave last.
  static let countingTime = Duration.milliseconds(100)

  /// The counts of all loops.
  func gatherCounts() async -> XDSMetrics {
    let loops = allLoops
    // A loop without streams counts nothing, and has left its counts behind.
    let asked = loops.filter(\.presence.hasStreams)
    let answers = asked.map { loop in
      loop.eventLoop.submit { [streams = loop.streams, presence = loop.presence] in
        presence.metrics = streams.value.allMetrics
      }
    }
    let late = zip(asked, answers).filter(\.0.presence.isServedLast).map(\.1)
    async let time: Void = Self.wait(for: late, within: Self.countingTime)
    for (loop, answer) in zip(asked, answers) where !loop.presence.isServedLast { try? await answer.get() }
    await time
    return loops.reduce(into: XDSMetrics()) { $0 += $1.presence.metrics }
  }

  /// Returns when all are there, or the time is over.
  private static func wait(for answers: [EventLoopFuture<Void>], within time: Duration) async {
    guard !answers.isEmpty else { return }
    let (events, event) = AsyncStream.makeStream(of: Bool.self)
    for answer in answers { answer.whenComplete { _ in event.yield(true) } }
    let timer = Task {
      try? await Task.sleep(for: time)
      event.yield(false)
    }
    var missing = answers.count
    for await isAnswer in events {
      missing -= 1
      if !isAnswer || missing == 0 { break }
    }
    timer.cancel()
  }
}
