import ArgumentParser
import ReleaseControl
import TrafficModel
import Weir

// What the flags of `weir release` take.
extension FlagValue {
  /// `20`, `0.05`, `12.5%`.
  @Sendable static func weight(_ text: String) throws -> Weight {
    let digits = text.hasSuffix("%") ? text.dropLast() : text[...]
    guard let percent = decimal(digits), let weight = Weight(percent: percent) else {
      throw ValidationError("a weight is 0 to 100 percent, with at most two decimals")
    }
    return weight
  }

  /// `approval`, `none`, or a time.
  @Sendable static func pause(_ text: String) throws -> ReleasePause {
    switch text {
    case "approval": return .untilApproved
    case "none": return .none
    default:
      guard let time = try? duration(text) else {
        throw ValidationError("a pause is approval, none, or a time as in 30s or 10m")
      }
      return .for(time)
    }
  }

  /// `5,25:30s,50:approval,100`: weights, each with its own pause if it has one.
  @Sendable static func steps(_ text: String) throws -> [ReleaseStep] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let parts = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return ReleaseStep(try weight(parts[0]), pause: parts.count == 2 ? try pause(parts[1]) : nil)
    }
  }

  /// `NAME`, `NAME=VALUE`, `NAME^=PREFIX`, or `NAME~=REGEX`.
  static func condition(_ text: some StringProtocol) throws -> (name: String, match: StringMatch) {
    guard let equals = text.firstIndex(of: "=") else {
      guard !text.isEmpty else { throw ValidationError("a condition has no name") }
      return (String(text), .present)
    }
    var name = text[..<equals]
    let value = String(text[text.index(after: equals)...])
    let mark = name.last
    if mark == "^" || mark == "~" { name = name.dropLast() }
    guard !name.isEmpty else { throw ValidationError("a condition has no name before =") }
    switch mark {
    case "^": return (String(name), .prefix(value))
    case "~": return (String(name), .regex(value))
    default: return (String(name), .exact(value))
    }
  }

  /// `header:x-user=jason&cookie:beta`: all conditions must hold.
  @Sendable static func rule(_ text: String) throws -> RequestRule {
    var rule = RequestRule()
    for part in text.split(separator: "&", omittingEmptySubsequences: false) {
      guard let colon = part.firstIndex(of: ":") else {
        throw ValidationError(
          "a condition is header:, cookie: or query: and NAME, NAME=VALUE, NAME^=PREFIX or NAME~=REGEX")
      }
      let (name, match) = try condition(part[part.index(after: colon)...])
      let old: StringMatch?
      switch part[..<colon] {
      case "header": old = rule.headers.updateValue(match, forKey: name.lowercased())
      case "cookie": old = rule.cookies.updateValue(match, forKey: name)
      case "query": old = rule.queryParameters.updateValue(match, forKey: name)
      default: throw ValidationError("a condition is on a header, a cookie or a query, not on a \(part[..<colon])")
      }
      guard old == nil else { throw ValidationError("\(name) has two conditions") }
    }
    return rule
  }

  /// A header that leads to the preview.
  @Sendable static func header(_ text: String) throws -> RequestRule {
    let (name, match) = try condition(text)
    return RequestRule(headers: [name.lowercased(): match])
  }

  @Sendable static func shortfall(_ text: String) throws -> GuardRails.Shortfall {
    guard let value = GuardRails.Shortfall(rawValue: text) else { throw ValidationError("it is refuse or hold") }
    return value
  }

  @Sendable static func emptiness(_ text: String) throws -> GuardRails.Emptiness {
    switch text {
    case "fail": return .fail
    case "spill": return .spill
    case "freeze-and-roll-back": return .freezeAndRollBack
    default: throw ValidationError("it is fail, spill or freeze-and-roll-back")
    }
  }
}
