import NIOCore

// Readers that stop reading, among others that read on.
extension LoadRun {
  /// Pairs of stretches: all read; then some leave their sockets alone while the changes go on.
  func stall(_ fleet: Fleet, number: inout Int) async throws {
    guard let trigger = plan.triggers.first, plan.stalls.pairs > 0 else { return }
    for pair in 1...plan.stalls.pairs {
      for isStalled in [false, true] {
        report.progress("pair \(pair) of \(plan.stalls.pairs), \(isStalled ? plan.stalls.readers : 0) do not read")
        let before = try server()
        if isStalled { try await fleet.stall(plan.stalls.readers) }
        let (rounds, most) = try await rounds(of: trigger, for: plan.stalls.duration, number: &number, through: fleet)
        let after = try server()
        let lost = try await fleet.endStall(within: plan.limit)
        report.stall(
          pair, readers: isStalled ? plan.stalls.readers : 0, lost: lost, rounds, server: (before, after), most: most)
      }
    }
  }

  /// - Returns: with the most bytes that were resident in the server after any change: it may give up a reader that does not read, and
  ///   what it has held for it is gone at the end.
  private func rounds(
    of trigger: Trigger, for duration: Duration, number: inout Int, through fleet: Fleet
  ) async throws -> (rounds: Rounds, most: Int) {
    var rounds = Rounds()
    var most = 0
    let end = ContinuousClock.now + duration
    while ContinuousClock.now < end {
      number += 1
      let change = number
      rounds.add(try await fleet.round(change, within: plan.limit) { try await trigger.fire(change) })
      most = max(most, try server()?.resident ?? 0)
      try await Task.sleep(for: plan.interval)
    }
    return (rounds, most)
  }
}
