import ArgumentParser
import ReleaseControl
import TrafficModel
import Weir
import XDSServer

/// What is to be released, and how, by flags.
struct SpecOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A canary of this service, as in reviews.shop: its weight grows by --steps.", valueName: "service"))
  var canary: String?

  @Option(
    help: ArgumentHelp(
      "Blue-green of this service: a preview, then one switch; --pause is the time before the switch.",
      valueName: "service"))
  var blueGreen: String?

  @Option(help: ArgumentHelp("Requests of this service that match a --rule go to the candidate.", valueName: "service"))
  var rules: String?

  @Option(
    help: ArgumentHelp("The candidate gets copies of requests first, then grows by --steps.", valueName: "service"))
  var mirrorFirst: String?

  @Option(help: ArgumentHelp("A port of the service. (default: all its HTTP ports)", valueName: "port"))
  var port: UInt16?

  @Option(help: ArgumentHelp("The subset that serves now.", valueName: "subset"))
  var from: String?

  @Option(help: ArgumentHelp("The subset that is to serve: the candidate.", valueName: "subset"))
  var to: String?

  @Option(
    help: ArgumentHelp(
      "The pods' label whose values are versions, where no DestinationRule has the subset. (default: version)",
      valueName: "label"))
  var versionLabel: String?

  @Option(
    help: ArgumentHelp(
      "Weights in percent, ascending, each with a pause of its own after a colon if need be: 0.5,5:30s,25:approval,100.",
      valueName: "weights"),
    transform: FlagValue.steps)
  var steps: [ReleaseStep]?

  @Option(
    help: ArgumentHelp(
      "After a step is live everywhere: a time as in 30s, approval, or none. (default: approval)", valueName: "pause"),
    transform: FlagValue.pause)
  var pause: ReleasePause?

  @Option(
    help: ArgumentHelp(
      """
      A rule for requests that go to the candidate whatever the weight, as in 'header:x-user=jason&cookie:beta': all \
      conditions of a rule must hold. NAME, NAME=VALUE, NAME^=PREFIX, NAME~=REGEX. May be repeated.
      """,
      valueName: "rule"),
    transform: FlagValue.rule)
  var rule: [RequestRule] = []

  @Option(
    help: ArgumentHelp(
      "Blue-green: requests with this header see the candidate before the switch: NAME or NAME=VALUE. May be repeated.",
      valueName: "header"),
    transform: FlagValue.header)
  var previewHeader: [RequestRule] = []

  @Option(help: ArgumentHelp("Blue-green: a host that leads to the candidate alone.", valueName: "host"))
  var previewHost: String?

  @Option(
    help: ArgumentHelp(
      "How long the old version stays after the candidate has all. (default: 10m for blue-green, else 0s)",
      valueName: "time"),
    transform: FlagValue.duration)
  var warm: Duration?

  @Option(
    help: ArgumentHelp("Mirror first: the share of requests that the candidate gets copies of.", valueName: "percent"),
    transform: FlagValue.weight)
  var mirror: Weight?

  @Option(
    help: ArgumentHelp("Mirror first: how long, or approval. (default: approval)", valueName: "pause"),
    transform: FlagValue.pause)
  var mirrorPause: ReleasePause?

  @Option(help: ArgumentHelp("Who has come to the candidate stays there, by a cookie of this name.", valueName: "name"))
  var stickyCookie: String?

  @Option(
    help: ArgumentHelp("How long that cookie lives; 0s is until the client ends. (default: 0s)", valueName: "time"),
    transform: FlagValue.duration)
  var stickyTTL: Duration?

  @Option(
    help: ArgumentHelp("Who has come to the candidate stays there, by the value of this header.", valueName: "name"))
  var stickyHeader: String?

  @Option(help: ArgumentHelp("A subset gets no traffic with fewer ready endpoints. (default: 1)", valueName: "number"))
  var minReady: Int?

  @Option(
    help: ArgumentHelp(
      """
      How many ready endpoints a share needs, against those that carry everything; 0 asks for --min-ready alone. \
      (default: 100)
      """,
      valueName: "percent"),
    transform: FlagValue.weight)
  var capacity: Weight?

  @Option(
    help: ArgumentHelp("A weight that a subset cannot carry: refuse or hold. (default: refuse)", valueName: "policy"),
    completion: .list(["refuse", "hold"]), transform: FlagValue.shortfall)
  var onShortfall: GuardRails.Shortfall?

  @Option(
    help: ArgumentHelp(
      "When a subset with traffic has no ready endpoint left, or too few: fail, spill or freeze-and-roll-back, the default.",
      valueName: "policy"),
    completion: .list(["fail", "spill", "freeze-and-roll-back"]), transform: FlagValue.emptiness)
  var onEmpty: GuardRails.Emptiness?

  @Option(
    help: ArgumentHelp(
      "The proxies on which a step has to be live before its pause begins, as --scope takes them. (default: all)",
      valueName: "proxies"),
    transform: FlagValue.scope)
  var liveOn: ProxyScope?

  // MARK: What they make

  private var strategies: [(flag: String, strategy: ReleaseSpec.Strategy, service: String)] {
    [
      ("--canary", .canary, canary), ("--blue-green", .blueGreen, blueGreen), ("--rules", .rules, rules),
      ("--mirror-first", .mirrorFirst, mirrorFirst),
    ].compactMap { flag, strategy, service in service.map { (flag, strategy, $0) } }
  }

  /// Flags that are for some strategies only.
  private var bound: [(flag: String, isGiven: Bool, strategies: [ReleaseSpec.Strategy])] {
    [
      ("--steps", steps != nil, [.canary, .mirrorFirst]),
      ("--pause", pause != nil, [.canary, .blueGreen, .mirrorFirst]),
      ("--rule", !rule.isEmpty, [.canary, .blueGreen, .rules]),
      ("--preview-header", !previewHeader.isEmpty, [.blueGreen]),
      ("--preview-host", previewHost != nil, [.blueGreen]),
      ("--warm", warm != nil, [.canary, .blueGreen, .mirrorFirst]),
      ("--mirror", mirror != nil, [.mirrorFirst]),
      ("--mirror-pause", mirrorPause != nil, [.mirrorFirst]),
      ("--sticky-cookie", stickyCookie != nil, [.canary, .mirrorFirst]),
      ("--sticky-header", stickyHeader != nil, [.canary, .mirrorFirst]),
    ]
  }

  /// The first flag that says something of a release; nil if none is given.
  var given: String? {
    let others: [(String, Bool)] = [
      ("--port", port != nil), ("--from", from != nil), ("--to", to != nil), ("--version-label", versionLabel != nil),
      ("--sticky-ttl", stickyTTL != nil), ("--min-ready", minReady != nil), ("--capacity", capacity != nil),
      ("--on-shortfall", onShortfall != nil), ("--on-empty", onEmpty != nil),
      ("--live-on", liveOn != nil),
    ]
    return strategies.first?.flag ?? bound.first(where: \.isGiven)?.flag ?? others.first(where: \.1)?.0
  }

  /// - Throws: `ValidationError`, naming the flag.
  func spec() throws -> ReleaseSpec {
    let strategies = strategies
    guard strategies.count == 1, let (name, strategy, service) = strategies.first else {
      throw ValidationError("one of --canary, --blue-green, --rules, --mirror-first or --file is needed")
    }
    guard let from else { throw ValidationError("--from is missing: the subset that serves now") }
    guard let to else { throw ValidationError("--to is missing: the subset that is to serve") }
    for (flag, isGiven, its) in bound where isGiven && !its.contains(strategy) {
      throw ValidationError("\(flag) is not for \(name)")
    }
    guard strategy != .canary && strategy != .mirrorFirst || steps != nil else {
      throw ValidationError("\(name): --steps are missing")
    }
    guard stickyCookie == nil || stickyHeader == nil else {
      throw ValidationError("--sticky-cookie and --sticky-header exclude each other")
    }
    guard stickyTTL == nil || stickyCookie != nil else {
      throw ValidationError("--sticky-ttl is for --sticky-cookie, which is missing")
    }
    var rails = GuardRails()
    if let minReady { rails.minimumReady = minReady }
    if let capacity { rails.capacity = capacity }
    if let onShortfall { rails.onShortfall = onShortfall }
    if let onEmpty { rails.onEmpty = onEmpty }
    var sticky = stickyHeader.map { Stickiness.header($0) }
    if let stickyCookie {
      sticky = .cookie(name: stickyCookie, ttlSeconds: ReleaseDuration(stickyTTL ?? .zero).milliseconds / 1000)
    }
    let pause = pause ?? .untilApproved
    var spec: ReleaseSpec
    switch strategy {
    case .canary:
      spec = .canary(
        of: service, port: port, from: from, to: to, steps: steps ?? [], pause: pause, rules: rule,
        warm: warm ?? .zero, stickiness: sticky, guardRails: rails)
    case .blueGreen:
      spec = .blueGreen(
        of: service, port: port, from: from, to: to, preview: previewHeader + rule, previewHost: previewHost,
        switching: pause, warm: warm ?? .seconds(600), guardRails: rails)
    case .rules:
      guard !rule.isEmpty else { throw ValidationError("--rules: a --rule is missing") }
      spec = .rules(rule, of: service, port: port, from: from, to: to, guardRails: rails)
    case .mirrorFirst:
      guard let mirror else { throw ValidationError("--mirror-first: --mirror is missing, the share that is copied") }
      spec = .mirrorFirst(
        of: service, port: port, from: from, to: to, share: mirror, for: mirrorPause ?? .untilApproved,
        steps: steps ?? [], pause: pause, warm: warm ?? .zero, stickiness: sticky, guardRails: rails)
    }
    if let versionLabel { spec.versionLabel = versionLabel }
    spec.liveOn = liveOn?.description
    do {
      try spec.validate()
    } catch {
      throw ValidationError(error.message)
    }
    return spec
  }
}
