public import ReleaseStores

/// What any release store must do, as checks that a test runs one by one against a store of its own.
///
///     @Test(arguments: ReleaseStoreConformance.checks) func conforms(_ check: ReleaseStoreConformance.Check) async throws {
///       try await check.run(on: StoresOfMine())
///     }
public enum ReleaseStoreConformance {
  /// Makes stores of the kind that is checked.
  public protocol Subject: Sendable {
    /// Opens the store; after the first time, the same one as the next start of the program would find it, the former one
    /// no longer being used. Nil if the store does not outlive its process.
    func reopen() async throws -> (any ReleaseStore)?
    /// A new, empty store.
    func open() async throws -> any ReleaseStore
  }

  /// A check that has not passed.
  public struct Failure: Error, CustomStringConvertible {
    public var description: String
  }

  public struct Check: Sendable, CustomStringConvertible {
    public var name: String
    public var description: String { name }
    var body: @Sendable (Context) async throws -> Void

    init(_ name: String, _ body: @escaping @Sendable (Context) async throws -> Void) {
      self.name = name
      self.body = body
    }

    /// - Throws: ``Failure``, or what the store throws.
    public func run(on subject: some Subject) async throws {
      let store = try await subject.open()
      try await body(Context(store: store, subject: subject))
    }
  }

  public static let checks = recordChecks + answerChecks + ledgerChecks + outboxChecks
}
