public import TrafficModel

/// Keeps the admitted set across restarts, and which classes of proxies there are.
public protocol AdmittedStore: Sendable {
  /// Everything that is kept. `decode` turns a document's text back into its object; what it cannot read is left out and
  /// reported.
  ///
  /// - Throws: `StoreError`.
  func load(decode: (_ text: String, _ location: SourceLocation) -> TrafficObject?) throws -> StoredObjects

  /// Keeps and forgets, all or nothing: after a crash either all of this is there or none. It does not wait long for what
  /// stands in the way: what could not be kept is the caller's to give again.
  ///
  /// - Throws: `StoreError`; with `lost` or `corrupt`, what was kept before is gone, and `beginAnew` is to be called.
  func apply(_ change: StoreChange) throws

  /// Keeps this and nothing else, after what was kept has been lost.
  ///
  /// - Throws: `StoreError`.
  func beginAnew(_ everything: StoreChange) throws
}

/// What to keep and what to forget.
public struct StoreChange: Sendable, Hashable {
  public var stored: [AdmittedObject]
  public var deleted: [ObjectKey]
  /// Classes of proxies that are here.
  public var arrived: [StoredProxyClass]
  /// Classes that no proxy belongs to any longer.
  public var departed: [StoredProxyClass]

  public init(
    stored: [AdmittedObject] = [], deleted: [ObjectKey] = [], arrived: [StoredProxyClass] = [],
    departed: [StoredProxyClass] = []
  ) {
    self.stored = stored
    self.deleted = deleted
    self.arrived = arrived
    self.departed = departed
  }

  public var isEmpty: Bool { stored.isEmpty && deleted.isEmpty && arrived.isEmpty && departed.isEmpty }
  public var count: Int { stored.count + deleted.count + arrived.count + departed.count }
}

/// A class of proxies as a store keeps it: with it, the tables that such proxies held are known after a restart.
public struct StoredProxyClass: Sendable, Hashable, Comparable {
  public var kind: String
  public var namespace: String
  public var listenHost: String
  public var listenPort: UInt16
  public var takesVirtualHosts: Bool
  public var fetchesClusters: Bool

  public init(
    kind: String, namespace: String, listenHost: String, listenPort: UInt16, takesVirtualHosts: Bool = false,
    fetchesClusters: Bool = false
  ) {
    self.fetchesClusters = fetchesClusters
    self.takesVirtualHosts = takesVirtualHosts
    self.kind = kind
    self.namespace = namespace
    self.listenHost = listenHost
    self.listenPort = listenPort
  }

  public static func < (a: Self, b: Self) -> Bool {
    func ways(_ known: Self) -> Int { (known.takesVirtualHosts ? 1 : 0) + (known.fetchesClusters ? 2 : 0) }
    let (first, second) = (ways(a), ways(b))
    return (a.kind, a.namespace, a.listenHost, a.listenPort, first)
      < (b.kind, b.namespace, b.listenHost, b.listenPort, second)
  }
}

/// What a store had kept.
public struct StoredObjects: Sendable {
  /// In the order of their keys.
  public var objects: [AdmittedObject]
  /// Sorted.
  public var classes: [StoredProxyClass]
  /// What could not be read, and was left out or moved aside.
  public var problems: [Problem]

  public init(objects: [AdmittedObject] = [], classes: [StoredProxyClass] = [], problems: [Problem] = []) {
    self.objects = objects
    self.classes = classes
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
    /// The file was deleted, moved or replaced while it was open.
    case lost
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
