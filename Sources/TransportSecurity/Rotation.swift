/// Decides when changed files are taken into use. No I/O, and no clock of its own.
///
///     in use ──differs──▶ unsettled ──the same twice──▶ tried ──good──▶ in use
///        ▲                   │ ▲                          │ bad: perhaps half of a change
///        └──as before────────┘ └──────────────────────────┤
///                                                          └─ bad for `patience`: refused, told once, until it changes
///
/// Files of one change are rarely replaced in one moment: the certificate is written and then the key, or a file is
/// truncated and then filled. What does not fit together is therefore given some time before it is called broken.
struct Rotation {
  /// What a look at the files found.
  enum Sighting: Sendable, Equatable {
    case bytes(CredentialBytes)
    case unreadable(CertificateError)
  }

  enum Outcome {
    /// In use already, or refused already.
    case unchanged
    /// Something is under way: look again soon.
    case unsettled
    case taken(Credentials)
    case refused(CertificateError)
  }

  let patience: Duration
  private(set) var inUse: CredentialBytes
  private var last: Sighting?
  private var unsettledSince: ContinuousClock.Instant?
  private(set) var refused: Sighting?

  init(inUse: CredentialBytes, patience: Duration) {
    self.inUse = inUse
    self.patience = patience
  }

  /// - Parameter check: makes credentials of the bytes, or says what is wrong with them.
  mutating func look(
    _ sighting: Sighting, now: ContinuousClock.Instant, check: (CredentialBytes) throws(CertificateError) -> Credentials
  ) -> Outcome {
    if sighting == .bytes(inUse) {
      refused = nil
      settle()
      return .unchanged
    }
    if sighting == refused {
      settle()
      return .unchanged
    }
    let since = unsettledSince ?? now
    unsettledSince = since
    guard sighting == last else {
      last = sighting
      return .unsettled
    }
    let problem: CertificateError
    switch sighting {
    case .bytes(let bytes):
      do {
        let credentials = try check(bytes)
        inUse = bytes
        refused = nil
        settle()
        return .taken(credentials)
      } catch {
        problem = error
      }
    case .unreadable(let error): problem = error
    }
    guard now - since >= patience else { return .unsettled }
    refused = sighting
    settle()
    return .refused(problem)
  }

  private mutating func settle() {
    last = nil
    unsettledSince = nil
  }
}
