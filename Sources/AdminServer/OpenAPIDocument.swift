internal import Foundation

/// `GET /openapi.json`: the admin API for programs. It is the only place where the form of what is sent is written: bodies are
/// checked against its schemas, and the tests hold the answers against them.
enum OpenAPIDocument {
  /// In JSON.
  static let text = String(decoding: (try? AdminJSON.encode(document, pretty: true)) ?? [], as: UTF8.self)

  static let schemas = JSONSchemas(named: document.object?["components"]?.object?["schemas"]?.object ?? [:])

  static let document: JSONValue = {
    var paths: [String: JSONValue] = [:]
    for part in [releasePaths, readingPaths] {
      paths.merge(members(of: part).mapValues(withAllResponses)) { _, last in last }
    }
    for move in moves {
      let text = moveTemplate.replacingOccurrences(of: "OPERATION", with: move.operation)
        .replacingOccurrences(of: "SUMMARY", with: move.summary).replacingOccurrences(of: "BODY", with: move.body)
      paths["/v1/releases/{id}/\(move.path)"] = withAllResponses(.object(members(of: text)))
    }
    var schemas: [String: JSONValue] = [:]
    for part in [releaseSpecSchemas, releaseSchemas, readingSchemas] {
      schemas.merge(members(of: part)) { _, last in last }
    }
    var document = members(of: frame)
    document["paths"] = .object(paths)
    var components = document["components"]?.object ?? [:]
    components["schemas"] = .object(schemas)
    document["components"] = .object(components)
    return .object(document)
  }()

  /// Writes out what many operations of a path have: `answer`, the schema of what is given with 200, and `errors`, the statuses of the
  /// other responses, which are described in one place.
  private static func withAllResponses(_ path: JSONValue) -> JSONValue {
    guard let operations = path.object else { return path }
    return .object(
      operations.mapValues { member in
        guard var operation = member.object, let errors = operation.removeValue(forKey: "errors")?.array else {
          return member
        }
        var responses = operation["responses"]?.object ?? [:]
        if let schema = operation.removeValue(forKey: "answer")?.string {
          responses["200"] = .object(
            members(
              of: ##"""
                {
                  "description": "The answer.",
                  "content": {"application/json": {"schema": {"$ref": "#/components/schemas/\##(schema)"}}}
                }
                """##))
        }
        for case .integer(let status) in errors {
          guard let name = errorNames[status] else { preconditionFailure("\(status) is described nowhere") }
          responses["\(status)"] = ["$ref": .string("#/components/responses/\(name)")]
        }
        operation["responses"] = .object(responses)
        return .object(operation)
      })
  }

  private static let errorNames: [Int64: String] = [
    400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "notFound", 409: "conflict", 412: "stale",
    413: "tooLarge", 415: "notJSON", 422: "invalid", 503: "unavailable", 507: "notDurable",
  ]

  private static func members(of json: String) -> [String: JSONValue] {
    do {
      return try JSONDecoder().decode([String: JSONValue].self, from: Data(json.utf8))
    } catch {
      preconditionFailure("a part of the OpenAPI document is no JSON: \(error)")
    }
  }

  private static let frame = #"""
    {
      "openapi": "3.1.0",
      "info": {
        "title": "Weir admin API", "version": "1",
        "description": "What a Weir control plane serves, and its releases. Times are RFC 3339 in UTC, weights are percent with two decimals, durations are seconds. Fields that are not there are not known or do not apply; none is null. Unknown fields and parameters are errors."
      },
      "components": {
        "securitySchemes": {
          "token": {"type": "http", "scheme": "bearer", "description": "Needed for writes where the server was started with --admin-token-file."}
        },
        "parameters": {
          "id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}, "description": "A release's id, as reviews.shop-3, or its service, as reviews.shop: the one in force, or else the last one."},
          "wait": {"name": "wait", "in": "query", "schema": {"$ref": "#/components/schemas/Wait"}, "description": "How long the answer may wait until it is yes."},
          "scope": {"name": "scope", "in": "query", "schema": {"$ref": "#/components/schemas/Scope"}, "description": "Which proxies."},
          "generation": {"name": "generation", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807}},
          "ifMatch": {"name": "If-Match", "in": "header", "schema": {"type": "string", "pattern": "^\"(0|[1-9][0-9]{0,17})\"$"}, "description": "The revision that the release must still have, as its ETag gives it."},
          "idempotencyKey": {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "pattern": "^([!#-~]{1,255}|\"[ -~]{1,255}\")$"}, "description": "The same request with the same key is carried out once, and answered as the first time, for a week."}
        },
        "headers": {
          "revision": {"required": true, "schema": {"type": "string", "pattern": "^\"[0-9]+\"$"}, "description": "The release's revision, for If-Match."}
        },
        "responses": {
          "badRequest": {"description": "A parameter, header or body is not as it should be; the message names it.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "unauthorized": {"description": "The token is missing or wrong.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "forbidden": {"description": "The request comes from a page of somebody else.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "notFound": {"description": "There is no such thing.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "conflict": {"description": "notAllowed, alreadyReleased, notEnoughCapacity, or stale without If-Match; allowedNow says what the release takes.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "stale": {"description": "The release has another revision than If-Match says.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "tooLarge": {"description": "The body is larger than 256 KiB.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "notJSON": {"description": "The body is not application/json.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "invalid": {"description": "It can be read and makes no sense, or its Idempotency-Key stands for another request (keyReused); the message says why.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "unavailable": {"description": "The sources have not been read yet, or the server is going down, or too many watch or wait.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
          "notDurable": {"description": "The change could not be made durable, and is not made.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
        }
      }
    }
    """#
}
