internal import AdminServer
internal import EnvoyAPI
internal import Foundation
internal import ReleaseControl
internal import TrafficModel
internal import XDSServer
internal import XDSSnapshot

// Where is it live, and can it be terminated: the answers of the server, in words.
extension AdminView {
  func convergence(_ request: ConvergenceRequest) async throws -> ConvergenceReport {
    let (query, scope) = try query(of: request)
    var answer =
      request.wait > .zero
      ? try await xds.live(query, within: request.wait)
      : await xds.convergence(of: query, listsLive: request.listsLive)
    if request.wait > .zero, request.listsLive {
      answer.proxies = await xds.convergence(of: query, listsLive: true).proxies
    }
    return await report(answer, scope)
  }

  func convergences(
    _ request: ConvergenceRequest
  ) async throws -> AsyncThrowingStream<ConvergenceReport, any Error> {
    let (query, scope) = try query(of: request)
    let (reports, continuation) = AsyncThrowingStream.makeStream(
      of: ConvergenceReport.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(1))
    let task = Task {
      for await state in xds.convergences(of: query) { continuation.yield(await report(state, scope)) }
      continuation.finish()
    }
    continuation.onTermination = { _ in task.cancel() }
    return reports
  }

  private func query(of request: ConvergenceRequest) throws -> (ConvergenceQuery, ProxyScope) {
    let scope = try ProxyScope(asked: request.scope)
    if let generation = request.generation, generation < pipeline.generationsBegin {
      throw AdminError(.badRequest, "generation: " + pipeline.wordsOfBefore(generation))
    }
    var query = ConvergenceQuery(
      generation: request.generation ?? xds.generation?.number ?? 0, scope: scope, atLeast: request.atLeast)
    if let service = request.service {
      guard let clusters = ServiceClusters(service, clusterDomain: pipeline.clusterDomain) else {
        throw AdminError(.badRequest, "service: \"\(service)\" is not NAME.NAMESPACE")
      }
      query.concerns = clusters.contains
    }
    return (query, scope)
  }

  private func report(_ answer: Convergence, _ scope: ProxyScope) async -> ConvergenceReport {
    let objects = await pipeline.objects(of: answer)
    let now = Date()
    return ConvergenceReport(
      generation: answer.generation, newestGeneration: xds.generation?.number ?? 0, scope: scope.description,
      live: answer.isLive, total: answer.total, liveCount: answer.live,
      proxies: answer.proxies.map { .init($0, objects: objects, now: now) })
  }

  func termination(_ request: TerminationRequest) async throws -> TerminationReport {
    let subject: TerminationSubject
    switch request.subject {
    case .endpoint(let text):
      guard let endpoint = EndpointSearch(hostPort: text) else {
        throw AdminError(.badRequest, "address: \"\(text)\" is not IP:PORT")
      }
      subject = .endpoint(endpoint)
    case .subset(let subset, let service, let port):
      guard let clusters = ServiceClusters(service, clusterDomain: pipeline.clusterDomain) else {
        throw AdminError(.badRequest, "service: \"\(service)\" is not NAME.NAMESPACE")
      }
      guard xds.generation != nil else {
        throw ReleaseError(.unavailable, "what is served is not known yet: \(notReadyReason)")
      }
      let names = clusters.names(subset: subset, port: port, in: xds.generation)
      guard !names.isEmpty else {
        throw AdminError(.notFound, "service: \(clusters.host) is not served; name the port that it had")
      }
      subject = .clusters(names)
    }
    let answer =
      request.wait > .zero
      ? try await xds.termination(of: subject, within: request.wait) : await xds.termination(of: subject)
    let now = Date()
    return TerminationReport(
      safe: answer.isSafe, served: answer.served,
      proxies: answer.holders.map { holder in
        .init(
          nodeID: holder.nodeID, remoteAddress: holder.remoteAddress, resources: holder.resources,
          disconnectedSince: holder.disconnectedFor.map { now.addingTimeInterval(-($0 / .seconds(1))) })
      }, total: answer.total)
  }
}

extension EndpointSearch {
  /// `IP:PORT`, `[IPv6]:PORT`.
  init?(hostPort text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    self.init(address: String(host), port: port)
  }
}

extension ProxyScope {
  /// - Throws: `AdminError`, if it is not written as one.
  init(asked text: String) throws(AdminError) {
    guard let scope = ProxyScope(text) else {
      throw AdminError(.badRequest, "scope: " + Self.words(ofWrong: text))
    }
    self = scope
  }

  /// Why a text is no scope.
  static func words(ofWrong text: String) -> String {
    "\"\(text)\" is none of all, node:ID, nodes:PATTERN, namespace:NAME and class:KIND/NAMESPACE/HOST:PORT"
  }
}
