internal import Foundation
internal import GRDB
internal import Synchronization
public import TrafficModel

/// A proxy as it is kept across a restart.
public struct StoredProxy: Sendable, Hashable {
  public struct Key: Sendable, Hashable, Comparable {
    public var nodeID: String
    /// The type of a stream of one type; empty on an aggregated one.
    public var onlyType: String

    public init(nodeID: String, onlyType: String) {
      self.nodeID = nodeID
      self.onlyType = onlyType
    }

    public static func < (a: Self, b: Self) -> Bool { (a.nodeID, a.onlyType) < (b.nodeID, b.onlyType) }
  }

  public var key: Key
  public var proxyClass: StoredProxyClass
  public var variant: String
  public var remoteAddress: String
  /// The EndpointSlices (`NAMESPACE/NAME`) in which it has been an endpoint, sorted.
  public var slices: [String]

  public init(
    key: Key, proxyClass: StoredProxyClass, variant: String, remoteAddress: String, slices: [String] = []
  ) {
    self.key = key
    self.proxyClass = proxyClass
    self.variant = variant
    self.remoteAddress = remoteAddress
    self.slices = slices
  }
}

/// What one process leaves to the next, beside objects and releases.
public struct Continuity: Sendable, Hashable {
  /// By key.
  public var proxies: [StoredProxy]
  /// Up to which number generations may have been given out.
  public var generations: UInt64
  /// Whether there was something, and it could not be read: which proxies there are, and how far was counted, is not known.
  public var isLost: Bool
  public var problems: [Problem]

  public init(proxies: [StoredProxy] = [], generations: UInt64 = 0, isLost: Bool = false, problems: [Problem] = []) {
    self.proxies = proxies
    self.generations = generations
    self.isLost = isLost
    self.problems = problems
  }
}

/// What a process leaves to the next, in an SQLite file, `continuity.sqlite`, in a directory that is this process's alone.
///
/// Each `apply` is one transaction, and on the disk when it returns. A damaged file is moved aside, and `load` says so. A file that
/// is deleted or replaced while it is in use is given its name again with the next `apply`, with all that is in it.
///
/// Safe from any thread; calls wait for one another, and for the disk.
public final class ContinuityStore: Sendable {
  private struct Opened {
    var lock: DirectoryLock
    var file: DatabaseFile
    var damage: DatabaseFile.Damage?
  }

  private static let lockName = "continuity.lock"
  private let directory: String
  private let path: String
  /// Nil once it is closed.
  private let opened: Mutex<Opened?>

  /// Opens the store of a directory, and makes both if they are not there.
  ///
  /// - Throws: `StoreError`, with `inUse` if another process has it.
  public init(directory: String) throws {
    self.directory = directory
    path = "\(directory)/continuity.sqlite"
    let lock = try DirectoryLock(directory: directory, file: Self.lockName)
    let (file, damage) = try DatabaseFile.open(path, Self.form)
    opened = Mutex(Opened(lock: lock, file: file, damage: damage))
  }

  /// Lets go of the directory. Nothing can be kept any longer.
  public func close() { opened.withLock { $0 = nil } }

  private static func closed(_ path: String) -> StoreError { StoreError(.failed, "the state file \(path) is closed") }

  private static let form = DatabaseFile.Form(
    version: 1, isDurable: true, busyTimeout: 0.1,
    create: { database in
      try database.execute(
        sql: """
          CREATE TABLE proxies (
            node TEXT NOT NULL, type TEXT NOT NULL,
            kind TEXT NOT NULL, namespace TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
            hosts INTEGER NOT NULL, on_demand INTEGER NOT NULL,
            variant TEXT NOT NULL, address TEXT NOT NULL, slices TEXT NOT NULL,
            PRIMARY KEY (node, type)
          );
          CREATE TABLE marks (generations INTEGER NOT NULL);
          INSERT INTO marks VALUES (0)
          """)
    }, upgrade: { _, _ in })

  /// - Throws: `StoreError`.
  public func load() throws -> Continuity {
    try opened.withLock { opened in
      guard let opened else { throw Self.closed(path) }
      do {
        return try opened.file.read { database in
          let proxies = try Row.fetchAll(
            database,
            sql: """
              SELECT node, type, kind, namespace, host, port, hosts, on_demand, variant, address, slices FROM proxies
              ORDER BY node, type
              """)
          let generations = try Int64.fetchOne(database, sql: "SELECT generations FROM marks") ?? 0
          var found = Continuity(
            proxies: proxies.map(StoredProxy.init), generations: UInt64(max(0, generations)),
            isLost: opened.damage != nil)
          if let damage = opened.damage {
            found.problems = [
              Problem(
                .warning, at: SourceLocation(file: path),
                "\(damage.reason); it was moved to \(damage.movedTo), and which proxies there were is not known")
            ]
          }
          return found
        }
      } catch {
        throw DatabaseFile.explain(error, path)
      }
    }
  }

  /// Keeps proxies and forgets others, all or nothing, and raises the mark of generations.
  ///
  /// - Throws: `StoreError`.
  public func apply(known: [StoredProxy] = [], forgotten: [StoredProxy.Key] = [], generations: UInt64? = nil) throws {
    try opened.withLock { state in
      guard var opened = state else { throw Self.closed(path) }
      defer { state = opened }
      do {
        if !opened.lock.isCurrent { opened.lock = try DirectoryLock(directory: directory, file: Self.lockName) }
        if !opened.file.isCurrent { try opened.file.restore() }
        try opened.file.write { database in
          let keep = try database.cachedStatement(
            sql: "INSERT OR REPLACE INTO proxies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
          for proxy in known { try keep.execute(arguments: proxy.row) }
          let forget = try database.cachedStatement(sql: "DELETE FROM proxies WHERE node = ? AND type = ?")
          for key in forgotten { try forget.execute(arguments: [key.nodeID, key.onlyType]) }
          if let generations {
            try database.execute(
              sql: "UPDATE marks SET generations = max(generations, ?)", arguments: [Int64(clamping: generations)])
          }
        }
      } catch {
        throw DatabaseFile.explain(error, path)
      }
    }
  }
}

extension StoredProxy {
  fileprivate init(_ row: Row) {
    self.init(
      key: Key(nodeID: row[0], onlyType: row[1]),
      proxyClass: StoredProxyClass(
        kind: row[2], namespace: row[3], listenHost: row[4], listenPort: row[5], takesVirtualHosts: row[6],
        fetchesClusters: row[7]), variant: row[8], remoteAddress: row[9],
      slices: (row[10] as String).split(separator: ",").map(String.init))
  }

  fileprivate var row: StatementArguments {
    [
      key.nodeID, key.onlyType, proxyClass.kind, proxyClass.namespace, proxyClass.listenHost, proxyClass.listenPort,
      proxyClass.takesVirtualHosts, proxyClass.fetchesClusters, variant, remoteAddress, slices.joined(separator: ","),
    ]
  }
}
