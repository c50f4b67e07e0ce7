internal import Hummingbird

func resourceQuery(of request: Request) throws -> ResourceQuery {
  try checkQuery(of: request, allowed: ["type", "name", "namespace"])
  let parameters = request.uri.queryParameters
  var query = ResourceQuery(
    name: parameters["name"].map(String.init), namespace: parameters["namespace"].map(String.init))
  if let type = parameters["type"] {
    guard let kind = ResourceKind(text: String(type)) else {
      let known = ResourceKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw AdminError(.badRequest, "type: \"\(type)\" is unknown; known are \(known), and their type URLs")
    }
    query.type = kind
  }
  return query
}

func convergenceRequest(of request: Request) throws -> ConvergenceRequest {
  try checkQuery(of: request, allowed: ["generation", "scope", "service", "at-least", "wait", "all"])
  var query = ConvergenceRequest(listsLive: false)
  let parameters = request.uri.queryParameters
  if let text = parameters["generation"] { query.generation = try number(text, "generation") }
  if let text = parameters["scope"] { query.scope = String(text) }
  query.service = parameters["service"].map(String.init)
  if let text = parameters["at-least"] { query.atLeast = try number(text, "at-least") }
  query.wait = try wait(of: request)
  if let text = parameters["all"] {
    guard let all = Bool(String(text)) else { throw AdminError(.badRequest, "all: true or false, not \"\(text)\"") }
    query.listsLive = all
  }
  if Watching.isAsked(for: request) {
    guard query.wait == .zero, !query.listsLive else {
      throw AdminError(.badRequest, "wait, all: not where each change is told")
    }
  }
  return query
}

func terminationRequest(of request: Request) throws -> TerminationRequest {
  try checkQuery(of: request, allowed: ["address", "service", "subset", "port", "wait"])
  let parameters = request.uri.queryParameters
  let wait = try wait(of: request)
  if let address = parameters["address"] {
    guard parameters["service"] == nil, parameters["subset"] == nil, parameters["port"] == nil else {
      throw AdminError(.badRequest, "address: not together with service, subset or port")
    }
    return TerminationRequest(.endpoint(String(address)), wait: wait)
  }
  guard let service = parameters["service"] else {
    throw AdminError(.badRequest, "address (IP:PORT) or service (NAME.NAMESPACE) is missing")
  }
  let port: UInt16? = try parameters["port"].map { try number($0, "port") }
  return TerminationRequest(
    .subset(parameters["subset"].map(String.init) ?? "", service: String(service), port: port), wait: wait)
}

func number<Number: FixedWidthInteger>(_ text: Substring, _ name: String) throws -> Number {
  // What JSON's readers can tell from its neighbours, and more than ever comes up.
  guard let number = Number(text), number >= 0, number <= Int64.max else {
    throw AdminError(.badRequest, "\(name): \"\(text)\" is no number that it can be")
  }
  return number
}

/// `5`, `5s` or `500ms`; at most ten minutes.
func wait(of request: Request) throws -> Duration {
  guard let text = request.uri.queryParameters["wait"] else { return .zero }
  let (digits, unit) =
    text.hasSuffix("ms") ? (text.dropLast(2), 0.001) : text.hasSuffix("s") ? (text.dropLast(), 1) : (text, 1)
  guard let value = Double(digits), (0...600).contains(value * unit) else {
    throw AdminError(.badRequest, "wait: a time such as 5s or 500ms, at most 600s, not \"\(text)\"")
  }
  return .seconds(value * unit)
}

/// Bytes of a query, percent signs and all.
private let longestQuery = 4096

/// A misspelt or repeated parameter is an error: an answer to another question would look right.
func checkQuery(of request: Request, allowed: [String] = []) throws {
  // A text with many combining marks takes long to compare.
  guard request.uri.query?.utf8.count ?? 0 <= longestQuery else {
    throw AdminError(.badRequest, "the query has more than \(longestQuery) bytes")
  }
  var seen: Set<Substring> = []
  for (key, _) in request.uri.queryParameters where !key.isEmpty {
    guard allowed.contains(String(key)) else {
      throw AdminError(.badRequest, "\(key): unknown parameter")
    }
    guard seen.insert(key).inserted else { throw AdminError(.badRequest, "\(key): given twice") }
  }
}
