internal import TrafficModel

/// One document that defines an object.
struct Claim: Sendable {
  /// The origin's name and the place in it: what claims are ordered and kept by.
  var place: SourceLocation
  /// The same, as people know it.
  var location: SourceLocation
  /// Nil if the document was refused.
  var object: TrafficObject?
  var problems: [Problem]
  var text: String
  var destinationPlaces: [SourceDocument.FieldPlace] = []
  /// The document was there, and whether it still is cannot be told, for its file cannot be read in full.
  var isHeld = false
}

extension Claim {
  /// What an origin that has not told of it yet, in this process, had said before.
  init(held object: TrafficObject?, at place: SourceLocation, text: String) {
    self.init(place: place, location: place, object: object, problems: [], text: text, isHeld: true)
  }
}

/// A file, or one object of an API server.
struct Origin: Sendable {
  /// The objects that it has claims of.
  var keys: Set<ObjectKey> = []
  var isComplete = true
  /// Its name as people know it.
  var shownName: String?
}

extension AdmissionGate {
  mutating func takeIn(_ update: SourceUpdate, touched: inout Set<ObjectKey>) {
    let name = update.origin
    unseen.remove(name)
    let before = origins[name]?.keys ?? []
    guard case .documents(let documents, let isComplete, let problems) = update.content else {
      for key in before { dropClaims(of: name, key) }
      touched.formUnion(before)
      forget(name)
      return
    }
    var origin = Origin(
      isComplete: isComplete, shownName: documents.first?.location.file ?? problems.first?.location?.file)
    ledger.set(problems, of: .origin(name))
    for document in documents where origin.keys.insert(document.key).inserted { dropClaims(of: name, document.key) }
    for document in documents {
      // The origin's name, whatever the document calls its file, so that it can be found again.
      var place = document.location
      place.file = name
      addClaim(
        Claim(
          place: place, location: document.location, object: document.object, problems: document.problems,
          text: document.text,
          destinationPlaces: document.destinationPlaces), document.key)
    }
    touched.formUnion(origin.keys)
    for key in before.subtracting(origin.keys) {
      touched.insert(key)
      if isComplete {
        dropClaims(of: name, key)
      } else {
        origin.keys.insert(key)
        holdClaims(of: name, key)
      }
    }
    origins[name] = origin
  }

  /// What was restored and is in no file that is there: to be called when the sources have told what there is, in all
  /// (`nil`) or below a directory that can be read now.
  ///
  /// What lies below a directory that cannot be read, or has nothing in it where there was something, stays.
  mutating func dropUnseen(below directory: String?, touched: inout Set<ObjectKey>) {
    let candidates = directory.map { directory in unseen.filter { Self.isBelow($0, directory) } } ?? unseen
    guard !candidates.isEmpty else { return }
    let unreadable = origins.filter { !$0.value.isComplete && !unseen.contains($0.key) }.keys
    for name in candidates where !unreadable.contains(where: { Self.isBelow(name, $0) }) {
      unseen.remove(name)
      let keys = origins[name]?.keys ?? []
      for key in keys { dropClaims(of: name, key) }
      touched.formUnion(keys)
      forget(name)
    }
  }

  static func isBelow(_ name: String, _ directory: String) -> Bool {
    name.hasPrefix(directory == "/" ? directory : directory + "/")
  }

  private mutating func forget(_ origin: String) {
    origins[origin] = nil
    ledger.set([], of: .origin(origin))
    ledger.set([], of: .kept(origin))
  }

  private mutating func addClaim(_ claim: Claim, _ key: ObjectKey) {
    var list = claims[key] ?? []
    list.insert(claim, at: list.firstIndex { claim.place < $0.place } ?? list.endIndex)
    setClaims(list, key)
  }

  private mutating func dropClaims(of origin: String, _ key: ObjectKey) {
    setClaims((claims[key] ?? []).filter { $0.place.file != origin }, key)
  }

  private mutating func holdClaims(of origin: String, _ key: ObjectKey) {
    var list = claims[key] ?? []
    for index in list.indices where list[index].place.file == origin {
      list[index].isHeld = true
      // Their lines are those of a text that is no more.
      list[index].problems = []
    }
    setClaims(list, key)
  }

  private mutating func setClaims(_ list: [Claim], _ key: ObjectKey) {
    claims[key] = list.isEmpty ? nil : list
  }

  /// The origins with a document of an object, but for one; in their order.
  func origins(of key: ObjectKey, except origin: String) -> [String] {
    guard let list = claims[key], list.count > 1 || list[0].place.file != origin else { return [] }
    var names: [String] = []
    for claim in list where claim.place.file != origin && claim.place.file != names.last {
      names.append(claim.place.file)
    }
    return names
  }

  /// The newest good version of an object: what would be admitted if nothing stood against it. Nil if it is to go.
  ///
  /// The lowest place decides. If its document was refused, the object stays as it is: another document that defines it
  /// does not step in, for it was never meant to be served.
  func desired(_ key: ObjectKey) -> TrafficObject? {
    guard let winner = claims[key]?.first else { return nil }
    return winner.object ?? admitted[key]?.object
  }
}
