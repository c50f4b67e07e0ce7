internal import TrafficModel

/// One document that defines an object.
struct Claim: Sendable {
  var location: SourceLocation
  /// Nil if the document was refused.
  var object: TrafficObject?
  var problems: [Problem]
  var text: String
  var destinationPlaces: [SourceDocument.FieldPlace] = []
  /// The document was there, and whether it still is cannot be told, for its file cannot be read in full.
  var isHeld = false
}

/// A file, or one object of an API server.
struct Origin: Sendable {
  /// The objects that it has claims of.
  var keys: Set<ObjectKey> = []
  var isComplete = true
}

extension AdmissionGate {
  mutating func takeIn(_ update: SourceUpdate, touched: inout Set<ObjectKey>) {
    let name = update.origin
    let before = origins[name]?.keys ?? []
    guard case .documents(let documents, let isComplete, let problems) = update.content else {
      for key in before { dropClaims(of: name, key) }
      touched.formUnion(before)
      forget(name)
      return
    }
    var origin = Origin(isComplete: isComplete)
    ledger.set(problems, of: .origin(name))
    for document in documents where origin.keys.insert(document.key).inserted { dropClaims(of: name, document.key) }
    for document in documents {
      // The place is the origin's, whatever the document says, so that it can be found again.
      var location = document.location
      location.file = name
      addClaim(
        Claim(
          location: location, object: document.object, problems: document.problems, text: document.text,
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

  /// What was restored and is in no file that is there.
  mutating func dropUnseenOrigins(_ updates: [SourceUpdate], touched: inout Set<ObjectKey>) {
    var seen: Set<String> = []
    var unreadable: [String] = []
    for update in updates {
      seen.insert(update.origin)
      if case .documents(_, isComplete: false, _) = update.content { unreadable.append(update.origin + "/") }
    }
    for (name, origin) in origins where !seen.contains(name) && !unreadable.contains(where: name.hasPrefix) {
      for key in origin.keys { dropClaims(of: name, key) }
      touched.formUnion(origin.keys)
      forget(name)
    }
  }

  private mutating func forget(_ origin: String) {
    origins[origin] = nil
    ledger.set([], of: .origin(origin))
  }

  private mutating func addClaim(_ claim: Claim, _ key: ObjectKey) {
    var list = claims[key] ?? []
    list.insert(claim, at: list.firstIndex { claim.location < $0.location } ?? list.endIndex)
    setClaims(list, key)
  }

  private mutating func dropClaims(of origin: String, _ key: ObjectKey) {
    setClaims((claims[key] ?? []).filter { $0.location.file != origin }, key)
  }

  private mutating func holdClaims(of origin: String, _ key: ObjectKey) {
    var list = claims[key] ?? []
    for index in list.indices where list[index].location.file == origin {
      list[index].isHeld = true
      // Their lines are those of a text that is no more.
      list[index].problems = []
    }
    setClaims(list, key)
  }

  private mutating func setClaims(_ list: [Claim], _ key: ObjectKey) {
    claims[key] = list.isEmpty ? nil : list
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
