public import TrafficModel

extension AdmissionGate {
  /// Everything that is wrong now, in an order that depends on the problems only. Costs the number of problems.
  public var problems: [Problem] { ledger.all }

  /// How many of `problems` are errors, and how many are warnings. Costs nothing: they are counted as they come and go.
  public var problemCounts: (errors: Int, warnings: Int) { (ledger.errors, ledger.warnings) }

  /// What is wrong with the documents that define an object.
  func claimProblems(_ key: ObjectKey) -> [Problem] {
    guard let list = claims[key] else { return [] }
    var found = list[0].problems
    if list[0].object == nil, admitted[key] != nil {
      found.append(Problem(.warning, at: list[0].location, object: key, "its last admitted version is served"))
    }
    for claim in list.dropFirst() {
      found += claim.problems
      found.append(
        Problem(
          .error, at: claim.location, object: key,
          "is also defined at \(list[0].location.place), which is the one that counts; this one has no effect"))
    }
    return found
  }

  /// Why an object's newest version is not admitted.
  func reasons(_ key: ObjectKey) -> [Problem] {
    func version(_ other: ObjectKey) -> TrafficObject? { admitted[other]?.object }
    if key.kind == .virtualService { return danglingDestinations(key) }

    func versionIfAdmitted(_ other: ObjectKey) -> TrafficObject? { other == key ? desired(key) : version(other) }
    let names = key.kind == .service ? [key.id] : indexed[key] ?? []
    var holders: [(ObjectKey, Set<MissingReference>)] = []
    for consumer in names.reduce(into: Set<ObjectKey>(), { $0.formUnion(consumers[$1] ?? []) }).sorted() {
      let lost = missing(version(consumer), version: versionIfAdmitted)
        .subtracting(missing(version(consumer), version: version))
      if !lost.isEmpty { holders.append((consumer, lost)) }
    }
    let isRemoval = claims[key] == nil
    let location = claims[key]?.first?.location ?? admittedLocation(key)
    let listed = holders.prefix(Self.listedHolders).map { consumer, lost in
      let what = lost.compactMap(\.part).sorted().joined(separator: ", ")
      let place = admittedLocation(consumer).map { " (\($0.place))" } ?? ""
      return "\(consumer)\(place) still names \(what.isEmpty ? "it" : what)"
    }
    let rest = holders.count > Self.listedHolders ? ", and \(holders.count - Self.listedHolders) more" : ""
    let companions = key.kind == .service ? heldCompanions(key.id) : ""
    return [
      Problem(
        .error, at: location, object: key,
        field: isRemoval ? "" : key.kind == .service ? "spec.ports" : "spec.subsets",
        "\(isRemoval ? "its removal" : "this version") waits, and the last admitted version is served\(companions): "
          + listed.joined(separator: "; ") + rest)
    ]
  }

  private static let listedHolders = 5

  /// What stays of an origin that could not be read in full: of a file what it held, of a directory what was restored.
  func keptProblems(_ name: String) -> [Problem] {
    guard let origin = origins[name], !origin.isComplete else { return [] }
    var keys = origin.keys
    if keys.isEmpty {
      for below in unseen where Self.isBelow(below, name) { keys.formUnion(origins[below]?.keys ?? []) }
    }
    let kept = keys.filter { key in
      guard admitted[key] != nil, let winner = claims[key]?.first, winner.isHeld else { return false }
      return winner.place.file == name || Self.isBelow(winner.place.file, name)
    }.sorted()
    guard !kept.isEmpty else { return [] }
    let listed = kept.prefix(Self.listedHolders).map(\.description).joined(separator: ", ")
    let rest = kept.count > Self.listedHolders ? " and \(kept.count - Self.listedHolders) more" : ""
    return [
      Problem(
        .warning, at: SourceLocation(file: origin.shownName ?? name),
        "what was admitted from it before stays as it was: \(listed)\(rest)")
    ]
  }

  /// Where an admitted version was written, as people know it.
  private func admittedLocation(_ key: ObjectKey) -> SourceLocation? {
    guard var location = admitted[key]?.location else { return nil }
    let claim = claims[key]?.first { $0.place.file == location.file }
    location.file = claim?.location.file ?? fileNames[key] ?? location.file
    return location
  }

  private func danglingDestinations(_ key: ObjectKey) -> [Problem] {
    guard let claim = claims[key]?.first, case .virtualService(let object) = claim.object else { return [] }
    let outcome = admitted[key] == nil ? "it is not served yet" : "its last admitted version is served"
    var found: [Problem] = []
    var flatIndex = 0
    let places = claim.destinationPlaces
    let hasPlaces = places.count == object.http.reduce(0) { $0 + $1.destinations.count }
    for (routeIndex, route) in object.http.enumerated() {
      for (index, destination) in route.destinations.enumerated() {
        defer { flatIndex += 1 }
        guard
          let reference = missing(
            destination, namespace: object.id.namespace, version: { admitted[$0]?.object })
        else { continue }
        var location = claim.location
        if hasPlaces { location.line = places[flatIndex].line }
        let path = hasPlaces ? places[flatIndex].path : "spec.http[\(routeIndex)].route[\(index)].destination"
        found.append(
          Problem(
            .error, at: location, object: key, field: "\(path).\(reference.field)", "\(reference.message); \(outcome)"))
      }
    }
    return found
  }
}

extension MissingReference {
  fileprivate var field: String {
    switch self {
    case .notAService, .service, .anyPort: "host"
    case .port: "port.number"
    case .subset: "subset"
    }
  }

  fileprivate var message: String {
    switch self {
    case .notAService(let host): "\"\(host)\" is not a Kubernetes service"
    case .service(let name): "there is no service \(name)"
    case .anyPort(let name): "service \(name) has no port"
    case .port(let name, let port): "service \(name) has no port \(port)"
    case .subset(let name, let subset): "no DestinationRule of service \(name) has a subset \"\(subset)\""
    }
  }

  /// As part of its provider.
  fileprivate var part: String? {
    switch self {
    case .notAService, .service: nil
    case .anyPort: "one of its ports"
    case .port(_, let port): "port \(port)"
    case .subset(_, let subset): "subset \"\(subset)\""
    }
  }
}

extension SourceLocation {
  fileprivate var place: String { line > 0 ? "\(file):\(line)" : file }
}
