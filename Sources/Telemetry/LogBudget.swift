private import Synchronization

/// How many lines of one kind may be logged about what clients do, so that no client can fill the disk or keep an event loop
/// busy with writing: a bucket that time refills.
///
/// What is kept back is counted, and the count goes with the next line that is let through.
public final class LogBudget: Sendable {
  private struct State {
    var balance: Double
    var refilledAt: ContinuousClock.Instant?
    var keptBack = 0
  }

  private let burst: Double
  private let perSecond: Double
  private let now: @Sendable () -> ContinuousClock.Instant
  private let state: Mutex<State>

  /// - Parameters:
  ///   - burst: lines that may come at once.
  ///   - perSecond: lines earned back each second.
  public init(
    burst: Int = 50, perSecond: Double = 1,
    now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) {
    self.burst = Double(burst)
    self.perSecond = perSecond
    self.now = now
    state = Mutex(State(balance: Double(burst)))
  }

  /// Asks for one line.
  /// - Returns: nil if nothing may be logged now; else how many lines were kept back since the last one. From any thread.
  public func take() -> Int? {
    let now = now()
    return state.withLock { state in
      if let last = state.refilledAt {
        state.balance = min(burst, state.balance + (now - last) / .seconds(1) * perSecond)
      }
      state.refilledAt = now
      guard state.balance >= 1 else {
        state.keptBack += 1
        return nil
      }
      state.balance -= 1
      defer { state.keptBack = 0 }
      return state.keptBack
    }
  }
}
