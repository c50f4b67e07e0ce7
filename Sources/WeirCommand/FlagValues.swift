import ArgumentParser
import EnvoyBootstrap
import Foundation

struct Label: Sendable, Hashable {
  var key: String
  var value: String
}

/// What flags take. ArgumentParser puts the flag and the value before the message of a `ValidationError`.
enum FlagValue {
  /// `HOST:PORT`; port 0 lets the system choose.
  @Sendable static func address(_ text: String) throws -> HostPort {
    do {
      return try HostPort(text)
    } catch {
      throw ValidationError(error.message)
    }
  }

  /// `HOST:PORT` where Envoy binds: it resolves no names there.
  @Sendable static func ipAddress(_ text: String) throws -> HostPort {
    let address = try Self.address(text)
    guard address.isIPAddress else {
      throw ValidationError("\"\(address.host)\" is not an IP address, and Envoy resolves no name that it listens on")
    }
    return address
  }

  /// `HOST:PORT` that somebody connects to.
  @Sendable static func peerAddress(_ text: String) throws -> HostPort {
    let address = try Self.address(text)
    guard address.port != 0 else { throw ValidationError("nobody can connect to port 0") }
    return address
  }

  /// `http://HOST:PORT`, or just `HOST:PORT`.
  @Sendable static func adminURL(_ text: String) throws -> HostPort {
    var rest = text[...]
    if let scheme = text.range(of: "://") {
      guard text[..<scheme.lowerBound].lowercased() == "http" else {
        throw ValidationError("the admin server speaks http, not \(text[..<scheme.lowerBound])")
      }
      rest = text[scheme.upperBound...]
    }
    if rest.hasSuffix("/") { rest.removeLast() }
    guard !rest.contains("/") else { throw ValidationError("only http://HOST:PORT, without a path") }
    return try peerAddress(String(rest))
  }

  /// `k=v`; the value may be empty and may hold further `=`.
  @Sendable static func workloadLabel(_ text: String) throws -> Label {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
      throw ValidationError("a label is KEY=VALUE")
    }
    return Label(key: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
  }

  @Sendable static func namespace(_ text: String) throws -> String {
    guard NodeMetadata.isNamespace(text) else {
      throw ValidationError("a namespace is lower-case letters, digits and inner hyphens, at most 63")
    }
    return text
  }

  /// A path that fits into a socket's address.
  @Sendable static func socketPath(_ text: String) throws -> String {
    guard !text.isEmpty else { throw ValidationError("it is empty") }
    // sockaddr_un has 108 bytes, the last of which is NUL.
    guard text.utf8.count <= 107 else {
      throw ValidationError("the path of a Unix socket has at most 107 bytes, and this one has \(text.utf8.count)")
    }
    return text
  }

  /// Permissions as chmod takes them, octal.
  @Sendable static func fileMode(_ text: String) throws -> UInt16 {
    guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x37).contains($0) }),
      let mode = UInt16(text, radix: 8), mode <= 0o777
    else { throw ValidationError("permissions are an octal number from 0 to 0777, such as 0660") }
    return mode
  }

  /// A name or an IP address.
  @Sendable static func hostName(_ text: String) throws -> String {
    guard let address = try? HostPort(text.contains(":") ? "[\(text)]:0" : "\(text):0") else {
      throw ValidationError("\"\(text)\" is neither a name nor an IP address")
    }
    return address.host
  }

  @Sendable static func nonEmpty(_ text: String) throws -> String {
    guard !text.isEmpty else { throw ValidationError("it is empty") }
    return text
  }

  /// Seconds, with or without a fraction; at most a day.
  @Sendable static func seconds(_ text: String) throws -> Duration {
    guard let seconds = Double(text), (0...86_400).contains(seconds) else {
      throw ValidationError("seconds are a number from 0 to 86400")
    }
    return .seconds(seconds)
  }

  /// `5`, `5s` or `500ms`; at most ten minutes, which is what the admin server waits.
  @Sendable static func wait(_ text: String) throws -> Duration {
    let (digits, unit) =
      text.hasSuffix("ms") ? (text.dropLast(2), 0.001) : text.hasSuffix("s") ? (text.dropLast(), 1) : (text[...], 1)
    guard let value = Double(digits), (0...600).contains(value * unit) else {
      throw ValidationError("a time is 5, 5s or 500ms, and at most 600s")
    }
    return .seconds(value * unit)
  }

  @Sendable static func positiveSeconds(_ text: String) throws -> Duration {
    let duration = try seconds(text)
    guard duration > .zero else { throw ValidationError("it must be above 0") }
    return duration
  }
}

/// Refuses what is not a directory that can be read, naming the flag or argument.
func requireDirectories(_ paths: [String], named name: String) throws {
  for path in paths {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw ValidationError("\(name): \(path) does not exist")
    }
    guard isDirectory.boolValue else { throw ValidationError("\(name): \(path) is not a directory") }
    guard FileManager.default.isReadableFile(atPath: path) else {
      throw ValidationError("\(name): \(path) cannot be read")
    }
  }
}
