/// Why a part of the harness could not do what it was asked.
public struct HarnessError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, for code that wants to tell the cases apart.
  public struct Code: Sendable, Hashable {
    private enum Value: Sendable, Hashable { case notFound, spawn, exited, timeout, connection, malformed }
    private let value: Value

    /// A binary or a file that must be there is not; the message says how to get it.
    public static let notFound = Code(value: .notFound)
    /// The operating system refused to start a process.
    public static let spawn = Code(value: .spawn)
    /// A process ended before it should; the message ends with the last lines of its log.
    public static let exited = Code(value: .exited)
    /// A bounded wait ran out.
    public static let timeout = Code(value: .timeout)
    /// A connection could not be made, or ended early.
    public static let connection = Code(value: .connection)
    /// An answer could not be understood.
    public static let malformed = Code(value: .malformed)
  }

  public var code: Code
  public var message: String
  public var cause: (any Error)?

  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  public var description: String {
    cause.map { "\(message): \($0)" } ?? message
  }
}
