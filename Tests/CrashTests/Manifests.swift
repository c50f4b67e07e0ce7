import EnvoyHarness
import Foundation

/// The files, what is in them, and what a server may have admitted of each thing since it was last looked at.
///
/// Every version that is written is new, so that a version that is served says when it was written.
struct Manifests {
  enum Content: Equatable {
    case absent
    case good(Int)
    case broken(Damage)
  }

  static let duplicate = "zz.yaml"
  let path: String
  let things: Int
  private(set) var files: [Thing: Content] = [:]
  /// A second definition of a slice, in a file of a higher path.
  private(set) var doubles: [Thing: Int] = [:]
  /// Nil among the versions: the thing may be gone.
  private(set) var possible: [Thing: Set<Int?>] = [:]
  /// Things that a server is sure to know from their own files, whatever it finds there from now on.
  private var known: Set<Thing> = []
  /// What was served when it was last looked at.
  private var served: Set<Thing> = []
  private(set) var counts: [String: Int] = [:]
  private var lastVersion = 0

  init(path: String, things: Int) throws {
    self.path = path
    self.things = things
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for thing in all {
      possible[thing] = [nil]
      try write(thing, inPlace: false)
    }
  }

  var all: [Thing] {
    (0..<things).flatMap { index in Thing.Kind.allCases.map { Thing(kind: $0, index: index) } }
  }

  var broken: [(thing: Thing, damage: Damage)] {
    all.compactMap { thing in if case .broken(let damage) = files[thing]! { (thing, damage) } else { nil } }
  }

  // MARK: Changing files

  /// One random change. A write that takes two steps pauses between them for up to 3 ms.
  mutating func change(_ random: inout some RandomNumberGenerator) throws {
    let thing = all.randomElement(using: &random)!
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<4: try write(thing, inPlace: false)
    case 4..<6: try write(thing, inPlace: true)
    case 6..<8: try write(thing, inPlace: true, pause: .random(in: 0...3_000, using: &random))
    case 8..<13: try damage(thing, Damage.allCases.randomElement(using: &random)!, &random)
    case 13..<15: try remove(thing)
    case 15:
      try remove(thing)
      try write(thing, inPlace: true)
    case 16..<18: try writeDoubles(&random)
    default: try move(thing)
    }
  }

  private func at(_ file: String) -> String { "\(path)/\(file)" }

  private mutating func newVersion(of thing: Thing) -> Int {
    lastVersion += 1
    // Before it is written: from now on it may be admitted.
    possible[thing]!.insert(lastVersion)
    return lastVersion
  }

  private mutating func write(_ thing: Thing, inPlace: Bool, pause: UInt32? = nil) throws {
    let version = newVersion(of: thing)
    let bytes = Array(thing.text(version).utf8)
    count(inPlace ? (pause == nil ? "written in place" : "written in two steps") : "renamed into place")
    if inPlace {
      try overwrite(thing.file, bytes, pause: pause)
    } else {
      try replace(thing.file, bytes)
    }
    files[thing] = .good(version)
  }

  private mutating func damage(_ thing: Thing, _ damage: Damage, _ random: inout some RandomNumberGenerator) throws {
    lastVersion += 1
    let bytes = damage.apply(to: thing.text(lastVersion), at: .random(in: 0...1, using: &random))
    count("broken (\(damage.rawValue))")
    if Bool.random(using: &random) {
      try replace(thing.file, bytes)
    } else {
      try overwrite(thing.file, bytes, pause: nil)
    }
    files[thing] = .broken(damage)
  }

  /// A writer that is stopped half-way.
  mutating func tear(_ thing: Thing, _ random: inout some RandomNumberGenerator) throws {
    try damage(thing, Bool.random(using: &random) ? .cut : .empty, &random)
  }

  private mutating func remove(_ thing: Thing) throws {
    guard files[thing] != .absent else { return }
    count("deleted")
    possible[thing]!.insert(nil)
    known.remove(thing)
    try FileManager.default.removeItem(atPath: at(thing.file))
    files[thing] = .absent
  }

  /// Away and back again under its name, as some editors save.
  private mutating func move(_ thing: Thing) throws {
    guard case .good = files[thing] else { return }
    count("moved away and written")
    let backup = at(thing.file + "~")
    guard rename(at(thing.file), backup) == 0 else { throw HarnessError(.notFound, "rename to \(backup)") }
    let version = newVersion(of: thing)
    // If nobody looks for longer than the grace, it is gone for that time.
    possible[thing]!.insert(nil)
    known.remove(thing)
    try overwrite(thing.file, Array(thing.text(version).utf8), pause: nil)
    files[thing] = .good(version)
    try FileManager.default.removeItem(atPath: backup)
  }

  private mutating func writeDoubles(_ random: inout some RandomNumberGenerator) throws {
    for thing in doubles.keys where !known.contains(thing) {
      // It may have been admitted from there, and nobody seen a version in its own file: a good one that is broken again
      // before it is read, or before the next start, keeps nothing.
      possible[thing]!.insert(nil)
    }
    doubles = [:]
    var text = ""
    for index in 0..<things where Bool.random(using: &random) {
      let thing = Thing(kind: .slice, index: index)
      let version = newVersion(of: thing)
      doubles[thing] = version
      text += "---\n" + thing.sliceText(version)
    }
    count("duplicates written")
    try replace(Self.duplicate, Array((text.isEmpty ? "# none\n" : text).utf8))
  }

  private func replace(_ file: String, _ bytes: [UInt8]) throws {
    let temporary = at(".\(file).new")
    try Data(bytes).write(to: URL(fileURLWithPath: temporary))
    guard rename(temporary, at(file)) == 0 else { throw HarnessError(.notFound, "rename to \(file)") }
  }

  private func overwrite(_ file: String, _ bytes: [UInt8], pause: UInt32?) throws {
    let descriptor = open(at(file), O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw HarnessError(.notFound, "open \(file)") }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    if let pause {
      try handle.write(contentsOf: bytes.prefix(bytes.count - 20))
      usleep(pause)
      try handle.write(contentsOf: bytes.suffix(20))
    } else {
      try handle.write(contentsOf: bytes)
    }
    try handle.close()
  }

  private mutating func count(_ what: String) { counts[what, default: 0] += 1 }

  // MARK: What may be served

  /// The newest good version by the files, where they say so.
  private func good(_ thing: Thing) -> Int? {
    if case .good(let version) = files[thing]! { version } else { nil }
  }

  /// What is wrong with what is served, the files being at rest; empty if it is what was served before or what the good
  /// files say.
  func complaints(_ seen: Observation) -> [String] {
    (0..<things).flatMap { complaints($0, seen) }
  }

  private func complaints(_ index: Int, _ seen: Observation) -> [String] {
    let slice = Thing(kind: .slice, index: index)
    let rule = Thing(kind: .rule, index: index)
    let route = Thing(kind: .route, index: index)
    var found: [String] = []
    func expect(_ thing: Thing, _ allowed: Set<Int?>, _ why: String) {
      if !allowed.contains(seen.versions[thing]) {
        found.append("\(thing) (\(files[thing]!)): \(seen.versions[thing] as Any), and not of \(allowed): \(why)")
      }
    }
    let hasService = seen.clusters.contains(Observation.cluster(index))
    let isRouted = seen.versions[route] != nil

    switch files[slice]! {
    case .good(let version):
      expect(slice, [version], "the file is good")
      if !hasService { found.append("service \(index) is not served, and its file is good") }
    case .broken: expect(slice, possible[slice]!, "the file is broken")
    case .absent where isRouted:
      if !hasService { found.append("service \(index) has gone, and a route names it") }
      expect(slice, doubles[slice].map { Set([$0]) } ?? possible[slice]!, "the removal waits")
    case .absent:
      if hasService { found.append("service \(index) is served, and has no file") }
      expect(slice, [nil], "the file has gone")
    }

    var holdTogether = false
    if good(slice) != nil, let wanted = good(route), let offered = good(rule) {
      holdTogether = Thing.subsets(ofRule: offered).contains(Thing.subset(ofRoute: wanted))
    }
    switch files[route]! {
    case .good(let version) where holdTogether: expect(route, [version], "all it names is there")
    case .good(let version): expect(route, possible[route]!.union([version]), "it may wait")
    case .broken: expect(route, possible[route]!, "the file is broken")
    case .absent: expect(route, [nil], "the file has gone")
    }
    if let version = seen.versions[route],
      !seen.clusters.contains(Observation.cluster(index, Thing.subset(ofRoute: version)))
    {
      found.append("\(route) is served, and the subset that it names is not")
    }

    // A rule shows only in the cluster of its service.
    guard hasService else { return found }
    switch files[rule]! {
    case .good(let version):
      // No route that may be admitted stands in its way.
      let isFree = possible[route]!.union([good(route)]).allSatisfy { route in
        route.map { Thing.subsets(ofRule: version).contains(Thing.subset(ofRoute: $0)) } ?? true
      }
      expect(rule, holdTogether || isFree ? [version] : possible[rule]!.union([version]), "the file is good")
    case .broken: expect(rule, possible[rule]!, "the file is broken")
    case .absent: expect(rule, isRouted ? possible[rule]!.subtracting([nil]) : [nil], "the file has gone")
    }
    return found
  }

  /// From here on, what is possible is what is served now, and what the files make of it later.
  mutating func accept(_ seen: Observation) {
    for thing in all {
      let isVisible = thing.kind != .rule || seen.clusters.contains(Observation.cluster(thing.index))
      var next: Set<Int?> = isVisible ? [seen.versions[thing]] : possible[thing]!
      switch files[thing]! {
      case .good(let version): next.insert(version)
      case .absent: next.insert(nil)
      case .broken: break
      }
      if let double = doubles[thing] { next.insert(double) }
      possible[thing] = next

      switch files[thing]! {
      // A refused document names its object, and so keeps it, too.
      case .good, .broken(.refused): known.insert(thing)
      case .absent: known.remove(thing)
      // Of a file that says nothing, only what is kept with an admitted object is known after a restart.
      case .broken: if !served.contains(thing) { known.remove(thing) }
      }
    }
    served = Set(seen.versions.keys)
  }
}
