import ArgumentParser
import ReleaseControl
import Weir

extension ReleaseName {
  /// What a shell offers for the name of a release: ids and services of the releases that the server knows. Nothing if it does
  /// not answer within a second: whoever types must not wait for it.
  ///
  /// - Parameter words: of the command line, as the shell has them.
  @Sendable static func candidates(for words: [String], at index: Int) async -> [String] {
    guard let server = try? ServerOptions.named(in: words, except: index),
      let backend = try? Composition.releases(of: server), let releases = try? await backend.list()
    else { return [] }
    return candidates(of: releases)
  }

  static func candidates(of releases: [ReleaseStatus]) -> [String] {
    let names = releases.reversed().flatMap { [shortened($0.service), $0.id] }
    var seen: Set<String> = []
    return names.filter { seen.insert($0).inserted }
  }

  /// `reviews.shop` of `reviews.shop.svc.cluster.local`.
  static func shortened(_ service: String) -> String {
    guard let end = service.range(of: ".svc.") else { return service }
    return String(service[..<end.lowerBound])
  }
}

extension ServerOptions {
  /// The flags about the server in a command line that is not complete yet.
  static func named(in words: [String], except index: Int) throws -> ServerOptions {
    var arguments: [String] = []
    for (position, word) in words.enumerated() where position != index {
      if word.hasPrefix("--server=") || word.hasPrefix("--admin=") {
        arguments.append(word)
      } else if word == "--server" || word == "--admin", position + 1 < words.count, position + 1 != index {
        arguments += [word, words[position + 1]]
      }
    }
    return try ServerOptions.parse(arguments + ["--timeout", "1"])
  }
}
