internal import TrafficModel

extension ReleaseSpec {
  /// Whatever can be said of it without looking at the service.
  ///
  /// - Throws: `invalid`.
  public func validate() throws(ReleaseError) {
    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(ReleaseError) {
      if !condition { throw ReleaseError(.invalid, message()) }
    }
    try require(!service.isEmpty, "a release needs a service")
    try require(!stable.isEmpty && !candidate.isEmpty, "a release needs two subsets")
    try require(stable != candidate, "stable and candidate are both \(stable)")
    for name in [stable, candidate] {
      try require(
        name.utf8.count <= 63 && name.utf8.allSatisfy(\.isOfName), "\(name) is no name of a subset")
    }
    try require(port != 0, "0 is no port")
    try require(
      (1...317).contains(versionLabel.utf8.count)
        && versionLabel.utf8.allSatisfy { $0.isOfName || $0 == UInt8(ascii: "/") },
      "the version label \(versionLabel) is no name of a label")
    try require(plan.count <= 100, "a release has at most 100 steps, and not \(plan.count)")
    var last: Weight?
    for step in steps {
      if let last {
        try require(step.weight > last, "steps ascend, and \(step.weight) comes after \(last)")
      }
      last = step.weight
    }
    try require(rules.count <= 16, "a release has at most 16 rules, and not \(rules.count)")
    for rule in rules {
      try require(!rule.isEmpty, "a rule has no condition")
      for (name, condition) in Array(rule.headers) + Array(rule.cookies) + Array(rule.queryParameters) {
        try require(!name.isEmpty && name.utf8.count <= 256, "a condition's name is empty or longer than 256 bytes")
        try require(condition.text.utf8.count <= 1024, "the condition on \(name) is longer than 1024 bytes")
        if case .prefix("") = condition {
          throw ReleaseError(.invalid, "the prefix for \(name) is empty; present asks that it is there")
        }
      }
      for name in rule.headers.keys {
        try require(
          name.utf8.allSatisfy { $0.isOfName || $0 == UInt8(ascii: ":") } && name == name.lowercased(),
          "\(name) is no header's name in lower case")
      }
      for name in rule.cookies.keys {
        try require(name.utf8.allSatisfy(\.isOfName), "\(name) is no cookie's name")
      }
    }
    try require(strategy != .rules || !rules.isEmpty, "a release by rules needs a rule")
    if let previewHost {
      try require(
        previewHost.utf8.count <= 253 && previewHost.utf8.contains(UInt8(ascii: "."))
          && previewHost.utf8.allSatisfy(\.isOfName)
          && previewHost.split(separator: ".", omittingEmptySubsequences: false).allSatisfy {
            (1...63).contains($0.utf8.count) && !$0.hasPrefix("-") && !$0.hasSuffix("-")
          }, "\(previewHost) is no full host name")
    }
    switch stickiness {
    case .cookie(let name, let seconds):
      try require(!name.isEmpty && name.utf8.allSatisfy(\.isOfName), "\(name) is no cookie's name")
      try require(seconds <= 315_360_000, "a cookie lives ten years at most, and not \(seconds) s")
    case .header(let name):
      try require(!name.isEmpty && name.utf8.allSatisfy(\.isOfName), "\(name) is no header's name")
    case nil: break
    }
    try require(
      (0...1_000_000).contains(guardRails.minimumReady), "\(guardRails.minimumReady) is no number of endpoints")
  }
}

extension ReleaseRequest {
  /// Whether the ledger takes what it says.
  ///
  /// - Throws: `invalid`.
  public func validate() throws(ReleaseError) {
    guard actor.utf8.count <= 1024, !actor.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else { throw ReleaseError(.invalid, "the actor has a control character, or more than 1024 bytes") }
    guard reason.utf8.count <= 16_384, !reason.utf8.contains(0) else {
      throw ReleaseError(.invalid, "the reason has a NUL character, or more than 16384 bytes")
    }
    if let key = idempotencyKey {
      guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
        throw ReleaseError(.invalid, "an idempotency key has 1 to 255 printable characters of ASCII")
      }
    }
  }
}

extension UInt8 {
  /// Letters, digits, `-`, `_` and `.`.
  fileprivate var isOfName: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}

extension StringMatch {
  fileprivate var text: String {
    switch self {
    case .exact(let text), .prefix(let text), .regex(let text): text
    case .present: ""
    }
  }
}
