public import TrafficModel

/// Keeps the admitted set across restarts.
public protocol AdmittedStore: Sendable {
  /// Everything that is kept. `decode` turns a document's text back into its object; what it cannot read is left out and
  /// reported.
  ///
  /// - Throws: `StoreError`.
  func load(decode: (_ text: String, _ location: SourceLocation) -> TrafficObject?) throws -> StoredObjects

  /// Keeps and forgets objects, all or nothing: after a crash either all of this is there or none. It does not wait long
  /// for what stands in the way: what could not be kept is the caller's to give again.
  ///
  /// - Throws: `StoreError`.
  func apply(stored: [AdmittedObject], deleted: [ObjectKey]) throws
}

/// What a store had kept.
public struct StoredObjects: Sendable {
  /// In the order of their keys.
  public var objects: [AdmittedObject]
  /// What could not be read, and was left out or moved aside.
  public var problems: [Problem]

  public init(objects: [AdmittedObject] = [], problems: [Problem] = []) {
    self.objects = objects
    self.problems = problems
  }
}

/// Why a store cannot be used. The process can go on without it, but what it admits will not outlive it.
public struct StoreError: Error, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// The directory cannot be made, or not be written in.
    case directoryUnusable
    /// Another process has the directory.
    case inUse
    case diskFull
    /// The file was damaged while it was open.
    case corrupt
    case failed
  }

  public var code: Code
  /// Names the path.
  public var message: String
  public var cause: (any Error)?

  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
