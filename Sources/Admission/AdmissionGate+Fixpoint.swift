internal import TrafficModel

extension AdmissionGate {
  /// Admits what can be admitted of what was touched, and of what waited for it.
  ///
  /// A greatest fixpoint: at first every object has its newest version, whatever arrived with it. Then whatever does not
  /// hold goes back, and only that:
  ///
  /// - a VirtualService that names something missing goes back to its admitted version, unless that names it, too, and the
  ///   missing thing is being given up right now: then what gives it up goes back;
  /// - what gives up something that an admitted VirtualService names goes back.
  ///
  /// Going back can make something else fall (a subset that was to come with it) or stand (a subset that was to go), so
  /// the first is repeated until nothing falls, and the second is tried at the end. Each step looks at one picture of the
  /// whole, and the last goes by key: the outcome does not depend on the order of updates within a change.
  mutating func settle(_ touched: Set<ObjectKey>) -> AdmissionChange {
    var change = AdmissionChange()
    var linked: Set<ObjectKey> = []
    var endpoints: Set<ObjectKey> = []
    for key in touched {
      switch key.kind {
      case .service, .destinationRule, .virtualService:
        index(key)
        if desired(key) == admitted[key]?.object { waiting.remove(key) } else { waiting.insert(key) }
        linked.insert(key)
      case .endpointSlice, .pod: endpoints.insert(key)
      case .node, .namespace: commit(key, to: &change)
      }
    }
    var reverted: Set<ObjectKey> = []
    if !linked.isEmpty {
      let active = connected(linked)
      reverted = fixpoint(active)
      let settled = linked.union(active)
      for key in settled where !reverted.contains(key) {
        waiting.remove(key)
        ledger.set([], of: .waiting(key))
        commit(key, to: &change)
      }
      for key in settled where key.kind == .service {
        // Endpoints that were held for it go now, or stay if another holds them.
        let (waits, stays) = (reverted.contains(key), desired(key) != nil)
        endpoints.formUnion(departures.set(key.id, isLeaving: waits && !stays))
        endpoints.formUnion(departures.set(key.id, isNarrowing: waits && stays))
      }
    }
    let services = settleEndpoints(endpoints, change: &change)
    for key in reverted.union(services) { ledger.set(reasons(key), of: .waiting(key)) }
    for key in touched { noteOrigins(key, to: &change) }
    change.edits.sort(by: Edit.precedes)
    change.stored.sort { $0.key < $1.key }
    change.deleted.sort()
    return change
  }

  /// Admits the newest version of an object.
  mutating func commit(_ key: ObjectKey, to change: inout AdmissionChange) {
    let before = admitted[key]
    guard let object = desired(key) else {
      if before != nil {
        admitted[key] = nil
        fileNames[key] = nil
        index(key)
        change.edits.append(.delete(key))
        change.deleted.append(key)
      }
      return
    }
    // A refused document leaves the admitted one with its own text and place.
    guard let winner = claims[key]?.first, winner.object != nil else { return }
    let after = AdmittedObject(
      object: object, location: winner.place, text: winner.text,
      otherOrigins: origins(of: key, except: winner.place.file))
    admitted[key] = after
    fileNames[key] = winner.location.file == winner.place.file ? nil : winner.location.file
    if before?.object != object {
      index(key)
      change.edits.append(.upsert(object))
    }
    // A line that moved is not worth a write.
    if before?.object != object || before?.location.file != after.location.file || before?.text != after.text
      || before?.otherOrigins != after.otherOrigins
    {
      change.stored.append(after)
    }
  }

  /// Keeps with an object whose admitted version stays who else has a document of it. Without that, a refused document in
  /// one file keeps the object, admitted from another that no longer has it, only until the process is another one.
  private mutating func noteOrigins(_ key: ObjectKey, to change: inout AdmissionChange) {
    guard var object = admitted[key] else { return }
    let others = origins(of: key, except: object.location.file)
    guard others != object.otherOrigins else { return }
    object.otherOrigins = others
    admitted[key] = object
    change.stored.append(object)
  }

  /// The waiting objects that these could set free or hold up: those that share a service with them, and so on.
  private func connected(_ keys: Set<ObjectKey>) -> Set<ObjectKey> {
    var found = keys.intersection(waiting)
    guard !waiting.isEmpty else { return found }
    var queue = Array(keys)
    var seen: Set<NamespacedName> = []
    while let key = queue.popLast() {
      for name in names(key) where seen.insert(name).inserted {
        var neighbours = meet(consumers[name] ?? [], waiting)
        neighbours.formUnion(meet(rules[name] ?? [], waiting))
        let service = ObjectKey(.service, name)
        if waiting.contains(service) { neighbours.insert(service) }
        for neighbour in neighbours where found.insert(neighbour).inserted { queue.append(neighbour) }
      }
    }
    return found
  }

  /// An intersection that costs the smaller set.
  private func meet(_ a: Set<ObjectKey>, _ b: Set<ObjectKey>) -> Set<ObjectKey> {
    a.count < b.count ? a.filter(b.contains) : b.filter(a.contains)
  }

  private func names(_ key: ObjectKey) -> Set<NamespacedName> {
    key.kind == .service ? [key.id] : indexed[key] ?? []
  }

  /// Which of the active objects stay at their admitted versions.
  private func fixpoint(_ active: Set<ObjectKey>) -> Set<ObjectKey> {
    var reverted: Set<ObjectKey> = []
    func version(_ key: ObjectKey) -> TrafficObject? {
      active.contains(key) && !reverted.contains(key) ? desired(key) : admitted[key]?.object
    }

    var toCheck = active.filter { $0.kind == .virtualService }
    for key in active where key.kind != .virtualService && givesUp(from: admitted[key]?.object, to: desired(key)) {
      for name in names(key) { toCheck.formUnion(consumers[name] ?? []) }
    }
    while !toCheck.isEmpty {
      var falling: Set<ObjectKey> = []
      for key in toCheck {
        let absent = missing(version(key), version: version)
        guard !absent.isEmpty else { continue }
        let givers = absent.map { giver(of: $0, active: active, reverted: reverted) }
        guard active.contains(key), !reverted.contains(key) else {
          falling.formUnion(givers.compactMap { $0 })
          continue
        }
        // Both versions name what is being given up: then it is the giving up that has to wait.
        let stillNamed = missing(admitted[key]?.object, version: version)
        if absent.isSubset(of: stillNamed), givers.allSatisfy({ $0 != nil }) {
          falling.formUnion(givers.compactMap { $0 })
        } else {
          falling.insert(key)
        }
      }
      guard !falling.isEmpty else { break }
      reverted.formUnion(falling)
      toCheck = []
      for key in falling {
        if key.kind == .virtualService { toCheck.insert(key) }
        for name in names(key) where key.kind != .virtualService { toCheck.formUnion(consumers[name] ?? []) }
      }
    }

    // What fell because of something that has itself gone back may stand after all.
    var isStable = false
    while !isStable {
      isStable = true
      for key in reverted.sorted() {
        reverted.remove(key)
        let concerned: Set<ObjectKey> =
          key.kind == .virtualService
          ? [key] : names(key).reduce(into: []) { $0.formUnion(consumers[$1] ?? []) }
        if concerned.allSatisfy({ missing(version($0), version: version).isEmpty }) {
          isStable = false
        } else {
          reverted.insert(key)
        }
      }
    }
    return reverted
  }

  /// The object that has a missing thing in its admitted version and is about to give it up.
  private func giver(
    of reference: MissingReference, active: Set<ObjectKey>, reverted: Set<ObjectKey>
  ) -> ObjectKey? {
    guard let name = reference.service else { return nil }
    let candidates: Set<ObjectKey> =
      switch reference {
      case .subset: rules[name] ?? []
      default: [ObjectKey(.service, name)]
      }
    return candidates.filter {
      active.contains($0) && !reverted.contains($0) && provides(admitted[$0]?.object, reference)
    }.min()
  }
}
