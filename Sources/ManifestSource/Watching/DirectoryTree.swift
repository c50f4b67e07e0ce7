/// The manifest files below some directories, and what has happened to them: a state that events change and that says
/// which files have to be read. It looks at directories, but reads no file. One thread owns it.
///
///     event                              → the file is
///     closed after writing, moved here     to be read
///     created (still being written)        as before, no longer settling
///     deleted, moved away                  settling: after the grace it is looked at again, and gone if it is not there
///
/// so that a save that renames the file away and writes a new one never shows as a removal.
struct DirectoryTree {
  typealias Instant = ContinuousClock.Instant

  /// How long a file may be away before its objects go.
  static let grace: Duration = .milliseconds(25)
  /// How often a root that is not there is looked for.
  static let rootInterval: Duration = .milliseconds(100)

  struct Root {
    /// As it was given.
    var path: String
    /// The name under which its files are remembered.
    var origin: String
    var isPresent = false
    var nextLook: Instant?
    /// How many of the known files are below it.
    var fileCount = 0
  }

  private struct Directory {
    var identity: FileSystem.DirectoryIdentity
    var watch: Int32?
    /// The symbolic link by which it is reached.
    var linkWatch: Int32?
  }

  /// Nil for a single look.
  let inotify: Inotify?
  private(set) var roots: [Root]
  private var directories: [String: Directory] = [:]
  private var pathsOfDirectories: [FileSystem.DirectoryIdentity: String] = [:]
  private var pathsOfWatches: [Int32: String] = [:]
  /// Watches of what links point to → the files (or directories) that are these links.
  private var pathsOfTargets: [Int32: Set<String>] = [:]
  private var targets: [String: Int32] = [:]

  private(set) var files: Set<String> = []
  /// Directory → the files and directories known in it.
  private var members: [String: Set<String>] = [:]
  private var settling: [String: Instant] = [:]
  /// Links to nothing, which nobody tells about when their target comes, and when they are looked at again.
  private var dangling: [String: Instant] = [:]
  /// Directories that cannot be read, and why.
  private(set) var failures: [String: String] = [:]

  /// Files to be read now; whoever reads them empties it.
  var toRead: Set<String> = []

  init(roots: [String], inotify: Inotify?) {
    var seen: Set<String> = []
    self.roots = roots.map(Self.trimmed).map { Root(path: $0, origin: FileSystem.stablePath($0)) }
      .filter { seen.insert($0.origin).inserted }
    self.inotify = inotify
  }

  /// The name under which a path below a root is remembered: the same however the root was given.
  func origin(of path: String) -> String {
    let root = roots.filter { isBelow(path, $0.path) }.max { $0.path.utf8.count < $1.path.utf8.count }
    guard let root, root.origin != root.path else { return path }
    let rest = path.utf8.dropFirst(root.path.utf8.count).drop { $0 == UInt8(ascii: "/") }
    return rest.isEmpty ? root.origin : join(root.origin, String(Substring(rest)))
  }

  private static func trimmed(_ path: String) -> String {
    var path = path[...]
    while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
    return path.isEmpty ? "." : String(path)
  }

  static func isManifest(_ name: String) -> Bool {
    !name.hasPrefix(".") && (name.hasSuffix(".yaml") || name.hasSuffix(".yml") || name.hasSuffix(".json"))
  }

  private func join(_ directory: String, _ name: String) -> String {
    directory == "/" ? "/\(name)" : "\(directory)/\(name)"
  }

  // MARK: Time

  /// When there is something to do without an event.
  var nextDeadline: Instant? {
    let deadlines = [settling.values.min(), dangling.values.min(), roots.compactMap(\.nextLook).min()]
    return deadlines.compactMap { $0 }.min()
  }

  /// The files whose grace has passed. They count as not known until they are read.
  mutating func takeSettled(at now: Instant) -> Set<String> {
    let due = Set(settling.lazy.filter { $0.value <= now }.map(\.key))
    for path in due { settling[path] = nil }
    return due
  }

  mutating func settle(_ path: String, at now: Instant) {
    if settling[path] == nil { settling[path] = now + Self.grace }
  }

  mutating func lookAgain(_ path: String, at now: Instant) { dangling[path] = now + Self.rootInterval }

  mutating func lookAtDangling(at now: Instant) {
    for path in dangling.filter({ $0.value <= now }).keys.sorted() {
      dangling[path] = nil
      look(path, at: now)
    }
  }

  mutating func forget(_ path: String) {
    if files.remove(path) != nil { count(path, -1) }
    if !directories.keys.contains(path) { members[Self.parent(of: path)]?.remove(path) }
    settling[path] = nil
    dropTarget(of: path)
  }

  // MARK: Looking

  /// Looks at everything: at first, and where events were lost. Files that are gone settle.
  mutating func scanAll(at now: Instant) {
    for index in roots.indices { scanRoot(index, at: now) }
  }

  /// Looks for the roots that are not there.
  mutating func lookForRoots(at now: Instant) {
    for index in roots.indices {
      if let next = roots[index].nextLook, next <= now { scanRoot(index, at: now) }
    }
  }

  private mutating func scanRoot(_ index: Int, at now: Instant) {
    let path = roots[index].path
    if case .failure(let error) = FileSystem.status(path) {
      return loseRoot(index, "the directory cannot be read: \(error.reason)", at: now)
    }
    if !roots[index].isPresent, roots[index].fileCount > 0, Self.holdsNothing(path) {
      // A volume that was taken out, or is not in yet, leaves an empty directory. Files that were deleted, one by one, show
      // as such while their directory stays.
      return loseRoot(
        index, "the directory has come back without a manifest, and what was in it stays until there is one", at: now)
    }
    roots[index].isPresent = true
    roots[index].nextLook = nil
    failures[path] = nil
    if case .success(let status) = FileSystem.status(path, followingLinks: false), status.kind == .link {
      watchTarget(of: path, .ofLink)
    }
    scan(path, at: now)
    if failures[path] != nil {
      roots[index].isPresent = false
      roots[index].nextLook = now + Self.rootInterval
    } else if roots[index].fileCount == 0 {
      // What is mounted over a directory tells nobody.
      roots[index].nextLook = now + Self.rootInterval
    }
  }

  private static func holdsNothing(_ path: String) -> Bool {
    var look = DirectoryTree(roots: [path], inotify: nil)
    look.scanAll(at: .now)
    return look.files.isEmpty && look.failures.isEmpty
  }

  private mutating func loseRoot(_ index: Int, _ reason: String, at now: Instant) {
    let path = roots[index].path
    roots[index].isPresent = false
    roots[index].nextLook = now + Self.rootInterval
    failures[path] = reason
    // What was in it is kept: that the whole has gone says nothing of its parts.
    for file in settling.keys where isBelow(file, path) { settling[file] = nil }
    toRead = toRead.filter { !isBelow($0, path) }
    dropDirectories(path)
  }

  private func isBelow(_ path: String, _ directory: String) -> Bool {
    path == directory || path.hasPrefix(directory == "/" ? "/" : directory + "/")
  }

  /// Looks at one directory and those below; what is no longer in it settles.
  private mutating func scan(_ path: String, at now: Instant) {
    guard enter(path) else { return }
    let names: [String]
    switch FileSystem.names(in: path) {
    case .success(let found):
      names = found
      failures[path] = nil
    case .failure(let error):
      leave(path)
      if !error.isAbsence { failures[path] = "the directory cannot be read: \(error.reason)" }
      return
    }
    let present = Set(names.map { join(path, $0) })
    for known in members[path] ?? [] where !present.contains(known) { vanish(known, at: now) }
    // Real directories before links, so that a directory is known by its own path.
    var links: [String] = []
    for name in names where !name.hasPrefix(".") {
      let child = join(path, name)
      guard case .success(let status) = FileSystem.status(child, followingLinks: false) else { continue }
      switch status.kind {
      case .directory: scan(child, at: now)
      case .link: links.append(child)
      case .file, .other: if Self.isManifest(name) { found(child) }
      }
    }
    for child in links { look(child, at: now) }
  }

  private mutating func count(_ path: String, _ change: Int) {
    for index in roots.indices where isBelow(path, roots[index].path) { roots[index].fileCount += change }
  }

  /// The roots that are there, with no manifest in them.
  var emptyRoots: [String] {
    roots.filter { $0.isPresent && $0.fileCount == 0 && failures[$0.path] == nil }.map(\.path)
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private mutating func found(_ path: String) {
    if files.insert(path).inserted {
      members[Self.parent(of: path), default: []].insert(path)
      count(path, 1)
    }
    settling[path] = nil
    toRead.insert(path)
  }

  /// A path that may be anything.
  private mutating func look(_ path: String, at now: Instant) {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let isLink: Bool
    if case .success(let status) = FileSystem.status(path, followingLinks: false) {
      isLink = status.kind == .link
    } else {
      return vanish(path, at: now)
    }
    switch FileSystem.status(path) {
    case .success(let status) where status.kind == .directory:
      if isLink { watchTarget(of: path, .ofLink) }
      scan(path, at: now)
    case .success, .failure:
      guard Self.isManifest(name) else { return vanish(path, at: now) }
      if isLink { watchTarget(of: path, .ofFile) }
      found(path)
    }
  }

  private mutating func vanish(_ path: String, at now: Instant) {
    if files.contains(path) {
      toRead.remove(path)
      settle(path, at: now)
    }
    guard directories[path] != nil || failures[path] != nil else { return }
    for file in files where isBelow(file, path) {
      toRead.remove(file)
      settle(file, at: now)
    }
    dropDirectories(path)
    for failed in failures.keys where isBelow(failed, path) { failures[failed] = nil }
  }

  // MARK: Watches

  /// False if the directory cannot be watched, or is known by another path.
  private mutating func enter(_ path: String) -> Bool {
    guard case .success(let status) = FileSystem.status(path) else { return false }
    guard status.kind == .directory else {
      failures[path] = "is not a directory"
      return false
    }
    if let known = pathsOfDirectories[status.directory], known != path { return false }
    if let known = directories[path], known.identity != status.directory { leave(path) }
    var directory = directories[path] ?? Directory(identity: status.directory)
    if let inotify, directory.watch == nil {
      switch inotify.watch(path, .ofDirectory) {
      case .success(let watch):
        directory.watch = watch
        pathsOfWatches[watch] = path
      case .failure(let error):
        let advice = error.isOutOfWatches ? " (raise fs.inotify.max_user_watches)" : ""
        failures[path] = "the directory cannot be watched: \(error.reason)\(advice)"
        return false
      }
    }
    directories[path] = directory
    members[Self.parent(of: path), default: []].insert(path)
    pathsOfDirectories[status.directory] = path
    return true
  }

  private mutating func leave(_ path: String) {
    guard let directory = directories.removeValue(forKey: path) else { return }
    members[Self.parent(of: path)]?.remove(path)
    pathsOfDirectories[directory.identity] = nil
    if let watch = directory.watch {
      pathsOfWatches[watch] = nil
      inotify?.unwatch(watch)
    }
    dropTarget(of: path)
  }

  private mutating func dropDirectories(_ path: String) {
    for directory in directories.keys where isBelow(directory, path) { leave(directory) }
  }

  private mutating func watchTarget(of path: String, _ changes: Inotify.Changes) {
    dropTarget(of: path)
    guard let inotify, case .success(let watch) = inotify.watch(path, changes) else { return }
    targets[path] = watch
    pathsOfTargets[watch, default: []].insert(path)
  }

  private mutating func dropTarget(of path: String) {
    guard let watch = targets.removeValue(forKey: path) else { return }
    pathsOfTargets[watch]?.remove(path)
    if pathsOfTargets[watch]?.isEmpty == true {
      pathsOfTargets[watch] = nil
      inotify?.unwatch(watch)
    }
  }

  // MARK: Events

  /// Returns whether there may be something to do for them: of a hidden file, which a program writes before it moves it
  /// into place, there is not.
  @discardableResult
  mutating func handle(_ events: [Inotify.Event], at now: Instant) -> Bool {
    var matters = false
    // The swap of a ConfigMap is many events; its directory is looked at once.
    var toScan: Set<String> = []
    for event in events {
      if isOfHiddenFile(event) { continue }
      matters = true
      if event.changes.contains(.overflowed) {
        scanAll(at: now)
      } else if let paths = pathsOfTargets[event.watch] {
        targetChanged(event, paths, at: now)
      } else if let path = pathsOfWatches[event.watch] {
        directoryChanged(path, event, toScan: &toScan, at: now)
      }
    }
    for path in toScan.sorted() where directories[path] != nil { scan(path, at: now) }
    return matters
  }

  /// `..data`, through which a ConfigMap's files are links, is hidden and no file.
  private func isOfHiddenFile(_ event: Inotify.Event) -> Bool {
    guard event.name.hasPrefix("."), pathsOfTargets[event.watch] == nil, let path = pathsOfWatches[event.watch],
      event.changes.isDisjoint(with: [.ignored, .unmounted, .deletedItself, .movedItself])
    else { return false }
    guard !event.changes.isDisjoint(with: [.movedTo, .created]) else { return true }
    guard case .success(let status) = FileSystem.status(join(path, event.name), followingLinks: false) else {
      return true
    }
    return status.kind != .link
  }

  private mutating func targetChanged(_ event: Inotify.Event, _ paths: Set<String>, at now: Instant) {
    if event.changes.contains(.ignored) {
      pathsOfTargets[event.watch] = nil
      for path in paths { targets[path] = nil }
    }
    for path in paths.sorted() {
      if roots.contains(where: { $0.path == path }) { lost(path, at: now) } else { look(path, at: now) }
    }
  }

  private mutating func directoryChanged(
    _ path: String, _ event: Inotify.Event, toScan: inout Set<String>, at now: Instant
  ) {
    let changes = event.changes
    if !changes.isDisjoint(with: [.ignored, .unmounted]) {
      if changes.contains(.ignored) {
        pathsOfWatches[event.watch] = nil
        directories[path]?.watch = nil
      }
      return lost(path, at: now)
    }
    if !changes.isDisjoint(with: [.deletedItself, .movedItself]) { return lost(path, at: now) }
    guard !event.name.isEmpty else {
      // The directory's own permissions.
      if failures[path] != nil { toScan.insert(path) }
      return
    }
    let child = join(path, event.name)
    if event.name.hasPrefix(".") {
      toScan.insert(path)
      return
    }
    if !changes.isDisjoint(with: [.deleted, .movedFrom]) { return vanish(child, at: now) }
    if changes.contains(.isDirectory) {
      if !changes.isDisjoint(with: [.created, .movedTo]) || failures[child] != nil { scan(child, at: now) }
      return
    }
    if !changes.isDisjoint(with: [.closedAfterWriting, .movedTo]) { return look(child, at: now) }
    if changes.contains(.attributes) {
      if files.contains(child) { toRead.insert(child) }
      return
    }
    guard changes.contains(.created) else { return }
    if case .success(let status) = FileSystem.status(child, followingLinks: false), status.kind == .file,
      status.links == 1
    {
      // Being written: it will be closed. What it replaces is served until then.
      settling[child] = nil
    } else {
      look(child, at: now)
    }
  }

  /// A directory that has gone. Of one that is not a root, the directory above tells, too.
  private mutating func lost(_ path: String, at now: Instant) {
    guard let index = roots.firstIndex(where: { $0.path == path }) else { return }
    dropDirectories(path)
    roots[index].isPresent = false
    scanRoot(index, at: now)
  }
}
