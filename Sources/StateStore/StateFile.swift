internal import Foundation
internal import GRDB
internal import TrafficModel

/// The SQLite file of the admitted set: its tables, and what is in them.
struct StateFile: Sendable {
  private var file: DatabaseFile

  var isCurrent: Bool { file.isCurrent }

  /// Version 1 had no classes, 2 not what they take, and 3 not the other origins of an object. It waits only shortly, for
  /// whoever waits here holds up the traffic: another process that reads the file (a backup) makes a change fail, and the
  /// caller keeps it for later.
  private static let form = DatabaseFile.Form(
    version: 4, isDurable: false, busyTimeout: 0.1,
    create: { database in
      try database.execute(
        sql: """
          CREATE TABLE admitted (
            kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
            origin TEXT NOT NULL, position INTEGER NOT NULL, line INTEGER NOT NULL, text TEXT NOT NULL,
            others TEXT,
            PRIMARY KEY (kind, namespace, name)
          )
          """)
      try addClasses(to: database)
    },
    upgrade: { database, version in
      try database.execute(sql: "ALTER TABLE admitted ADD COLUMN others TEXT")
      if version == 3 { return }
      if version == 2 { try database.execute(sql: "ALTER TABLE classes RENAME TO classes2") }
      try addClasses(to: database)
      if version == 2 {
        try database.execute(
          sql: """
            INSERT INTO classes SELECT kind, namespace, host, port, 0, 0 FROM classes2;
            DROP TABLE classes2
            """)
      }
    })

  private static func addClasses(to database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE classes (
          kind TEXT NOT NULL, namespace TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
          hosts INTEGER NOT NULL, on_demand INTEGER NOT NULL,
          PRIMARY KEY (kind, namespace, host, port, hosts, on_demand)
        )
        """)
  }

  /// - Returns: with the file, what had to be moved aside.
  static func open(_ path: String) throws -> (StateFile, [Problem]) {
    let (file, damage) = try DatabaseFile.open(path, form)
    let problems = damage.map {
      Problem(
        .warning, at: SourceLocation(file: path),
        "\($0.reason); it was moved to \($0.movedTo), and objects are admitted from the manifests alone")
    }
    return (StateFile(file: file), problems.map { [$0] } ?? [])
  }

  // MARK: Rows

  /// A kept object, not decoded.
  struct Kept: Sendable {
    /// As `ObjectKey` describes itself.
    var key: String
    var location: SourceLocation
    var text: String
    var otherOrigins: [String]
  }

  func read() throws -> ([Kept], [StoredProxyClass]) {
    try file.read { database in
      var rows: [Kept] = []
      let objects = try Row.fetchCursor(
        database,
        sql: """
          SELECT kind, namespace, name, origin, position, line, text, others FROM admitted
          ORDER BY kind, namespace, name
          """)
      while let row = try objects.next() {
        let id = NamespacedName(namespace: row[1], name: row[2])
        rows.append(
          Kept(
            key: "\(row[0] as String) \(id)",
            location: SourceLocation(file: row[3], position: row[4], line: row[5]), text: row[6],
            otherOrigins: try Self.decode(origins: row[7])))
      }
      let classes = try Row.fetchAll(database, sql: "SELECT kind, namespace, host, port, hosts, on_demand FROM classes")
        .map {
          StoredProxyClass(
            kind: $0[0], namespace: $0[1], listenHost: $0[2], listenPort: $0[3], takesVirtualHosts: $0[4],
            fetchesClusters: $0[5])
        }
      return (rows, classes.sorted())
    }
  }

  /// An array of JSON, for a name may have any character; NULL for most objects, which are in one file.
  private static func encode(origins: [String]) throws -> String? {
    origins.isEmpty ? nil : String(decoding: try JSONEncoder().encode(origins), as: UTF8.self)
  }

  private static func decode(origins: String?) throws -> [String] {
    try origins.map { try JSONDecoder().decode([String].self, from: Data($0.utf8)) } ?? []
  }

  mutating func write(_ change: StoreChange) throws {
    try file.write { try Self.write(change, to: $0) }
  }

  /// A new file with this and nothing else. What is there under its name is moved aside.
  mutating func replace(with everything: StoreChange) throws {
    try file.replace { try Self.write(everything, to: $0) }
  }

  private static func write(_ change: StoreChange, to database: Database) throws {
    let insert = try database.cachedStatement(
      sql: """
        INSERT INTO admitted (kind, namespace, name, origin, position, line, text, others) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (kind, namespace, name) DO UPDATE SET
          origin = excluded.origin, position = excluded.position, line = excluded.line, text = excluded.text,
          others = excluded.others
        """)
    for object in change.stored {
      try insert.execute(arguments: [
        object.key.kind.rawValue, object.key.id.namespace, object.key.id.name, object.location.file,
        object.location.position, object.location.line, object.text, try encode(origins: object.otherOrigins),
      ])
    }
    let delete = try database.cachedStatement(
      sql: "DELETE FROM admitted WHERE kind = ? AND namespace = ? AND name = ?")
    for key in change.deleted {
      try delete.execute(arguments: [key.kind.rawValue, key.id.namespace, key.id.name])
    }
    let arrive = try database.cachedStatement(
      sql: "INSERT OR IGNORE INTO classes (kind, namespace, host, port, hosts, on_demand) VALUES (?, ?, ?, ?, ?, ?)")
    for known in change.arrived { try arrive.execute(arguments: known.row) }
    let depart = try database.cachedStatement(
      sql:
        "DELETE FROM classes WHERE kind = ? AND namespace = ? AND host = ? AND port = ? AND hosts = ? AND on_demand = ?"
    )
    for known in change.departed { try depart.execute(arguments: known.row) }
  }
}

extension StoredProxyClass {
  fileprivate var row: StatementArguments {
    [kind, namespace, listenHost, listenPort, takesVirtualHosts, fetchesClusters]
  }
}
