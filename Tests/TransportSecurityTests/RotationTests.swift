import EnvoyHarness
import Testing

@testable import TransportSecurity

/// When changed files are taken, step by step, with a clock moved by hand.
@Suite(.timeLimit(.minutes(1))) struct RotationTests {
  private let old = CredentialBytes(certificate: [1], key: [1])
  private let half = CredentialBytes(certificate: [2], key: [1])
  private let new = CredentialBytes(certificate: [2], key: [2])
  private let start = ContinuousClock.now

  /// Files whose certificate and key are not equal do not fit together. Real credentials stand in for those that do.
  private struct Steps {
    var rotation: Rotation
    let start: ContinuousClock.Instant
    let real: Credentials

    mutating func look(_ sighting: Rotation.Sighting, at seconds: Double) -> String {
      let real = real
      let outcome = rotation.look(sighting, now: start + .seconds(seconds)) { bytes throws(CertificateError) in
        guard bytes.certificate == bytes.key else { throw CertificateError(.mismatched, "key", "does not fit") }
        return real
      }
      switch outcome {
      case .unchanged: return "unchanged"
      case .unsettled: return "unsettled"
      case .taken: return "taken"
      case .refused(let error): return "refused: \(error)"
      }
    }
  }

  private func steps() async throws -> Steps {
    let them = try await Identities.get()
    let files = TLSFiles(certificate: them.server.certificate, key: them.server.key)
    let real = try Credentials(CredentialBytes(reading: files), files: files, now: ServerCertificates.systemTime())
    return Steps(rotation: Rotation(inUse: old, patience: .seconds(5)), start: start, real: real)
  }

  @Test func aChangeIsTakenWhenItHasBeenSeenTwice() async throws {
    var steps = try await steps()
    #expect(steps.look(.bytes(old), at: 0) == "unchanged")
    #expect(steps.look(.bytes(new), at: 1) == "unsettled")
    #expect(steps.rotation.inUse == old)
    #expect(steps.look(.bytes(new), at: 1.1) == "taken")
    #expect(steps.rotation.inUse == new)
    #expect(steps.look(.bytes(new), at: 2) == "unchanged")
  }

  @Test func halfAChangeIsGivenTime() async throws {
    var steps = try await steps()
    #expect(steps.look(.bytes(half), at: 0) == "unsettled")
    #expect(steps.look(.bytes(half), at: 1) == "unsettled")
    #expect(steps.look(.bytes(half), at: 4.9) == "unsettled")
    #expect(steps.look(.bytes(new), at: 5) == "unsettled")
    #expect(steps.look(.bytes(new), at: 5.1) == "taken")
  }

  @Test func whatStaysBrokenIsToldOnce() async throws {
    var steps = try await steps()
    #expect(steps.look(.bytes(half), at: 0) == "unsettled")
    #expect(steps.look(.bytes(half), at: 5) == "refused: key does not fit")
    #expect(steps.look(.bytes(half), at: 6) == "unchanged")
    #expect(steps.rotation.inUse == old)
    // Something else that is broken is told, too, and so is the same again after all was well.
    let gone = Rotation.Sighting.unreadable(CertificateError(.unreadable, "key", "is gone"))
    #expect(steps.look(gone, at: 7) == "unsettled")
    #expect(steps.look(gone, at: 12) == "refused: key is gone")
    #expect(steps.look(.bytes(old), at: 13) == "unchanged")
    #expect(steps.look(gone, at: 14) == "unsettled")
    #expect(steps.look(gone, at: 19) == "refused: key is gone")
    #expect(steps.look(.bytes(new), at: 20) == "unsettled")
    #expect(steps.look(.bytes(new), at: 20.1) == "taken")
  }

  @Test func aChangeThatIsTakenBackIsNone() async throws {
    var steps = try await steps()
    #expect(steps.look(.bytes(half), at: 0) == "unsettled")
    #expect(steps.look(.bytes(old), at: 1) == "unchanged")
    // The patience begins anew.
    #expect(steps.look(.bytes(half), at: 6) == "unsettled")
    #expect(steps.look(.bytes(half), at: 7) == "unsettled")
  }

  @Test func theKeyIsNotPrinted() {
    let text = CredentialBytes(certificate: [201], key: [202], clientCA: [203])
    var dumped = ""
    dump(text, to: &dumped)
    for printed in ["\(text)", "\(Rotation.Sighting.bytes(text))", String(reflecting: text), dumped] {
      #expect(!printed.contains("202"), "\(printed)")
    }
  }
}
