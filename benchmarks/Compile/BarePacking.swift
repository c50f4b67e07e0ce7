import CBarePacking
import TrafficCompiler
import XDSSnapshot

/// The messages of a generation, as C structs for libprotobuf-c.
final class BarePacking {
  private let packing = bare_packing_new()

  /// Fills the structs from the bytes that the compiler made, and holds what is packed from them against those.
  init(_ generation: Generation) throws {
    var bodies: [[UInt8]] = []
    func add(_ type: bare_packing_type, _ table: ResourceTable) throws {
      for resource in table.all {
        let bytes = resource.flattened()
        guard bare_packing_add(packing, type, bytes, bytes.count) == 1 else { throw BenchmarkError.notAMessage }
        bodies.append(bytes)
      }
    }
    try add(BARE_PACKING_CLUSTER, generation.clusters)
    try add(BARE_PACKING_ASSIGNMENT, generation.endpoints)
    for tables in generation.classes.values {
      try add(BARE_PACKING_LISTENER, tables.listeners)
      try add(BARE_PACKING_ROUTE_CONFIGURATION, tables.routes)
    }
    _ = pack()
    for (index, body) in bodies.enumerated() {
      var count = 0
      let bytes = bare_packing_bytes(packing, index, &count)
      guard Array(UnsafeBufferPointer(start: bytes, count: count)) == body else { throw BenchmarkError.otherBytes }
    }
    discard()
  }

  deinit { bare_packing_free(packing) }

  var count: Int { bare_packing_count(packing) }

  /// Returns the number of bytes.
  func pack() -> Int { bare_packing_pack(packing) }

  func discard() { bare_packing_discard(packing) }
}

enum BenchmarkError: Error {
  case notAMessage, otherBytes
  case noChange(EditKind)
}

extension ResourceTable {
  var all: [Resource] {
    var all: [Resource] = []
    tree.forEach { all.append($0) }
    return all
  }
}
