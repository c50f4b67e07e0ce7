/// Asks `condition` again and again until it holds. Only for what tells nobody that it has changed, as Envoy's admin
/// interface; whatever can be awaited should be.
///
/// - Throws: ``HarnessError`` `timeout`, naming `what`; and whatever `condition` throws, at once.
public func poll(
  _ what: String, within limit: Duration = .seconds(20), every interval: Duration = .milliseconds(10),
  until condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + limit
  while try await !condition() {
    guard ContinuousClock.now < deadline else {
      throw HarnessError(.timeout, "\(what): not within \(limit)")
    }
    try await Task.sleep(for: interval)
  }
}

/// Runs `body`, giving up after `limit`.
///
/// - Throws: ``HarnessError`` `timeout`, naming `what`.
public func within<Value: Sendable>(
  _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
  try await withThrowingTaskGroup(of: Value.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: limit)
      throw HarnessError(.timeout, "\(what): not within \(limit)")
    }
    defer { group.cancelAll() }
    guard let value = try await group.next() else { throw CancellationError() }
    return value
  }
}
