internal import XDSSnapshot

extension ProxySession {
  /// Where one type stands on one stream. It is a view of what the session keeps, for people and tests; every transition is
  /// in this table, and `StateTableTests` walks it row by row, in both protocols.
  ///
  /// "Difference" is what the client is to hold now less what it has accepted: in the state of the world a full list for
  /// listeners and clusters, else what differs alone. Where a state has no row for an event, the event changes nothing but
  /// what the next response will say.
  ///
  /// | state | event | next state | what is sent |
  /// |---|---|---|---|
  /// | unasked | the first request, before there is a generation | owing | nothing |
  /// | unasked | the first request | in flight | everything asked for |
  /// | unasked | the first request of a client that has it all | quiet | nothing |
  /// | owing | the first generation | in flight | everything asked for |
  /// | quiet | something of the type changes | in flight | the difference |
  /// | quiet | something else changes | quiet | nothing |
  /// | quiet | a name is subscribed to | in flight | it, whatever the client may hold |
  /// | quiet | a name is unsubscribed from | quiet | nothing |
  /// | quiet | the last answer comes once more | quiet | nothing |
  /// | quiet | an answer to an older response | quiet | nothing |
  /// | in flight | ACK | quiet | nothing |
  /// | in flight | ACK, and something has changed meanwhile | in flight | the difference |
  /// | in flight | something changes | in flight | nothing |
  /// | in flight | a name is subscribed to | in flight | nothing |
  /// | in flight | an answer to an older response | in flight | nothing |
  /// | in flight | NACK, and one resource was new | quarantined | nothing |
  /// | in flight | NACK that names one of several | trial | the others |
  /// | in flight | NACK that names none of several | trial | half of them |
  /// | in flight | silence about clusters for too long | withdrawing | without half of the suspects |
  /// | quarantined | NACK again | quarantined | nothing |
  /// | quarantined | the refused resource changes | trial | its new content |
  /// | quarantined | the refused resource goes | trial | that it is gone |
  /// | quarantined | something else changes | trial | the difference, and a removal of the refused |
  /// | quarantined | the refused resource is asked for by name | trial | it, once more |
  /// | trial | ACK, and there is more to try | trial | the next half |
  /// | trial | ACK, and something is refused still | quarantined | nothing |
  /// | trial | ACK, and nothing is refused any more | quiet | nothing |
  /// | trial | NACK | trial | the next half |
  /// | withdrawing | silence again | withdrawing | without the next suspects |
  /// | withdrawing | something changes | withdrawing | nothing |
  /// | withdrawing | ACK of the response before | in flight | nothing |
  /// | withdrawing | NACK of the response before | trial | nothing |
  /// | withdrawing | ACK of the last response | trial | the suspects once more |
  /// | withdrawing | NACK of the last response | trial | the others |
  enum State: String, Sendable, CaseIterable {
    /// The client has not asked for the type.
    case unasked
    /// It has, and there is nothing yet to answer with.
    case owing
    /// All that was sent is accepted, and nothing is different that may be sent now.
    case quiet
    /// A response is not answered.
    case inFlight = "in flight"
    /// Nothing is in flight, and something refused is not sent again until it changes.
    case quarantined
    /// A response is in flight that tells more about what was refused.
    case trial
    /// Two responses are in flight: the second takes back suspects of the first (`Withdrawal`). Clusters only.
    case withdrawing
  }

  /// O(1).
  func state(_ type: ResourceType) -> State {
    let session = types[type.rawValue]
    guard session.isRequested else { return .unasked }
    guard session.inFlight != nil else {
      if session.quarantine != nil { return .quarantined }
      return session.owed.isNothing ? .quiet : .owing
    }
    if type == .cluster && withdrawal != nil { return .withdrawing }
    return session.quarantine == nil ? .inFlight : .trial
  }
}
