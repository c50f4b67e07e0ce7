public import TrafficModel

/// The gate before the compiler: it admits an object, or keeps that object's last admitted version and says why.
///
/// A value with one owner, without I/O. What it holds:
///
///     claims      what the sources say now: for each object the documents that define it, the lowest place first
///     admitted    what is served: for each object its last version that was good and whose references held
///     waiting     the objects whose newest good version is not admitted, because of another object
///
/// Two rules tie objects together. A VirtualService is admitted only if every destination it names is there (service,
/// port, subset). A Service or DestinationRule gives up what an admitted VirtualService names only when none names it any
/// longer, and the endpoints of a Service whose removal waits stay with it (`AdmissionGate+Departures.swift`). Edits that arrive together are judged together (`AdmissionGate+Fixpoint.swift`), so a swap needs no order.
///
/// An edit costs what it touches: the objects of its origin, those that wait for the same services, and, when a Service or
/// DestinationRule gives something up, the VirtualServices that name that service.
public struct AdmissionGate: Sendable {
  let clusterDomain: String

  var origins: [String: Origin] = [:]
  /// The origins of restored objects that no source has told of yet.
  var unseen: Set<String> = []
  var claims: [ObjectKey: [Claim]] = [:]
  var admitted: [ObjectKey: AdmittedObject] = [:]
  var waiting: Set<ObjectKey> = []
  /// What people call the file of an admitted object, where its origin has another name.
  var fileNames: [ObjectKey: String] = [:]

  /// Service → the VirtualServices whose admitted or newest version has it as a destination.
  var consumers: [NamespacedName: Set<ObjectKey>] = [:]
  /// Service → the DestinationRules whose admitted or newest version is for it.
  var rules: [NamespacedName: Set<ObjectKey>] = [:]
  /// The services under which a VirtualService or DestinationRule stands in the two indexes above.
  var indexed: [ObjectKey: Set<NamespacedName>] = [:]

  var departures = Departures()
  var ledger = ProblemLedger()
  private var isAnnounced = false

  /// - Parameter clusterDomain: the last labels of a service's full name.
  public init(clusterDomain: String = "cluster.local") { self.clusterDomain = clusterDomain }

  /// Puts back what was admitted before a restart; call it before the first `apply`, whose edits then hold these objects,
  /// too. Until the sources have said otherwise they stay admitted.
  public mutating func restore(_ objects: [AdmittedObject]) {
    precondition(!isAnnounced && origins.isEmpty, "restore comes before the first update")
    for object in objects {
      admitted[object.key] = object
      var list = [Claim(held: object.object, at: object.location, text: object.text)]
      // What these had to say of it was not admitted, or not yet.
      for origin in object.otherOrigins { list.append(Claim(held: nil, at: SourceLocation(file: origin), text: "")) }
      claims[object.key] = list.sorted { $0.place < $1.place }
      for origin in list.map(\.place.file) {
        origins[origin, default: Origin(isComplete: false)].keys.insert(object.key)
        unseen.insert(origin)
      }
      index(object.key)
      if case .endpointSlice(let slice) = object.object { departures.replaceSlice(object.key, nil, with: slice) }
    }
  }

  /// Takes in what the sources say, all updates as one change.
  ///
  /// - Parameter isInitialScan: the updates are all that there is: what was restored and is in none of them has gone,
  ///   unless its file lies in a directory that could not be read (an incomplete origin of the directory's name). That is
  ///   decided when the directory's origin is complete or removed.
  /// - Returns: the edits of the admitted set, in an order that depends only on their keys, and what to store. The first
  ///   call's edits give the whole admitted set.
  public mutating func apply(_ updates: [SourceUpdate], isInitialScan: Bool = false) -> AdmissionChange {
    var touched: Set<ObjectKey> = []
    for update in updates { takeIn(update, touched: &touched) }
    if isInitialScan {
      dropUnseen(below: nil, touched: &touched)
    } else if !unseen.isEmpty {
      for update in updates where !(origins[update.origin].map { !$0.isComplete } ?? false) {
        dropUnseen(below: update.origin, touched: &touched)
      }
    }
    for key in touched { ledger.set(claimProblems(key), of: .claims(key)) }
    var change = settle(touched)
    var incomplete = Set(updates.map(\.origin))
    for key in touched {
      for claim in claims[key] ?? [] where claim.isHeld { incomplete.insert(claim.place.file) }
    }
    for origin in incomplete { ledger.set(keptProblems(origin), of: .kept(origin)) }
    change.newProblems = ledger.takeNew()
    if !isAnnounced {
      isAnnounced = true
      change.edits = admitted.values.map { Edit.upsert($0.object) }.sorted(by: Edit.precedes)
    }
    return change
  }

  // MARK: What is there

  /// Every admitted object, in no particular order.
  public var admittedObjects: some Collection<AdmittedObject> { admitted.values }

  public func admitted(_ key: ObjectKey) -> AdmittedObject? { admitted[key] }

  /// The objects whose newest version, or whose removal, waits for another object. Costs their number.
  public var waitingObjects: [ObjectKey] { waiting.union(departures.held).sorted() }
}

/// What an update changed.
public struct AdmissionChange: Sendable {
  /// The compiler's input: upserts first (what is named before what names it), then deletions (the other way round).
  public var edits: [Edit]
  /// To be kept across restarts, in the order of the keys.
  public var stored: [AdmittedObject]
  /// No longer to be kept.
  public var deleted: [ObjectKey]
  /// The problems that were not there before, of documents, files and waiting objects, in the order of
  /// `AdmissionGate.problems`. One that only moved to another line is not new.
  public var newProblems: [Problem]

  public init(
    edits: [Edit] = [], stored: [AdmittedObject] = [], deleted: [ObjectKey] = [], newProblems: [Problem] = []
  ) {
    self.edits = edits
    self.stored = stored
    self.deleted = deleted
    self.newProblems = newProblems
  }

  /// Whether the admitted set stays as it was; there may be new problems all the same.
  public var isEmpty: Bool { edits.isEmpty && stored.isEmpty && deleted.isEmpty }
}

extension Edit {
  static func precedes(_ a: Edit, _ b: Edit) -> Bool {
    switch (a, b) {
    case (.upsert(let a), .upsert(let b)):
      a.key.kind.rank != b.key.kind.rank ? a.key.kind.rank < b.key.kind.rank : a.key < b.key
    case (.delete(let a), .delete(let b)): a.kind.rank != b.kind.rank ? a.kind.rank > b.kind.rank : a < b
    case (.upsert, .delete): true
    case (.delete, .upsert): false
    }
  }
}

extension ObjectKind {
  /// What is named goes before what names it.
  fileprivate var rank: Int {
    switch self {
    case .namespace: 0
    case .node: 1
    case .pod: 2
    case .service: 3
    case .endpointSlice: 4
    case .destinationRule: 5
    case .virtualService: 6
    }
  }
}
