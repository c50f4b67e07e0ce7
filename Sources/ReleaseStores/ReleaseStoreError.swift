/// Why a store did not do what it was asked. Nothing has changed in it.
public struct ReleaseStoreError: Error, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// A record was changed by somebody else since it was read.
    case stale
    /// The idempotency key stands for another request.
    case keyReused
    /// The commit itself is wrong; trying again does not help.
    case invalid
    /// The directory cannot be made, or not be written in.
    case directoryUnusable
    /// Another process has the store.
    case inUse
    /// There is no space left; the same commit works once there is.
    case diskFull
    /// What is kept was damaged while it was in use.
    case corrupt
    /// What is kept was deleted or replaced while it was in use, and could not be put back.
    case lost
    case failed
  }

  public var code: Code
  /// Names the record, or the file.
  public var message: String
  public var cause: (any Error)?

  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  public var description: String { cause.map { "\(message): \($0)" } ?? message }

  static func stale(_ write: ReleaseWrite, found: UInt64?) -> ReleaseStoreError {
    let reason =
      switch (write.expected, found) {
      case (nil, _): "is there already"
      case (_, nil): "is not there any longer"
      case (let expected?, let found?): "was changed since it was read: it is at revision \(found), not \(expected)"
      }
    return ReleaseStoreError(.stale, "\(write.id) \(reason)")
  }
}
