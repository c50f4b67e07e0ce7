extension OpenAPIDocument {
  /// `/v1/releases` and `/v1/ledger`, but for what moves a release without saying where to.
  static let releasePaths = #"""
    {
      "/v1/releases": {
        "get": {
          "operationId": "listReleases", "summary": "All releases, in the order in which they were started.",
          "parameters": [
            {
              "name": "service", "in": "query", "schema": {"type": "string"},
              "description": "Those of a service, by its host name in any form."
            },
            {
              "name": "state", "in": "query", "schema": {"$ref": "#/components/schemas/ReleaseState"},
              "description": "Those in a state."
            }
          ],
          "answer": "ReleaseList", "errors": [400, 403]
        },
        "post": {
          "operationId": "startRelease", "summary": "Starts a release, at its first step.",
          "security": [{"token": []}, {}], "parameters": [{"$ref": "#/components/parameters/idempotencyKey"}],
          "requestBody": {
            "required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewRelease"}}}
          },
          "responses": {
            "201": {
              "description": "It has started.",
              "headers": {
                "ETag": {"$ref": "#/components/headers/revision"},
                "Location": {"required": true, "schema": {"type": "string"}, "description": "Its path."}
              },
              "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReleaseStatus"}}},
              "links": {
                "release": {"operationId": "getRelease", "parameters": {"id": "$response.body#/id"}},
                "weight": {"operationId": "setReleaseWeight", "parameters": {"id": "$response.body#/id"}},
                "rollback": {"operationId": "rollbackRelease", "parameters": {"id": "$response.body#/id"}},
                "live": {"operationId": "getReleaseLive", "parameters": {"id": "$response.body#/id"}},
                "history": {"operationId": "getReleaseHistory", "parameters": {"id": "$response.body#/id"}}
              }
            }
          },
          "errors": [400, 401, 403, 404, 409, 413, 415, 422, 503, 507]
        }
      },
      "/v1/releases/{id}": {
        "parameters": [{"$ref": "#/components/parameters/id"}],
        "get": {
          "operationId": "getRelease", "summary": "A release as it is.",
          "responses": {
            "200": {
              "description": "The release.", "headers": {"ETag": {"$ref": "#/components/headers/revision"}},
              "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReleaseStatus"}}}
            }
          },
          "errors": [400, 403, 404]
        }
      },
      "/v1/proxies/forget": {
        "post": {
          "operationId": "forgetProxy",
          "summary": "Takes a proxy that has disconnected to be gone for good: no release waits for it, and it keeps nothing from being safe to terminate.",
          "security": [{"token": []}, {}],
          "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ProxyToForget"}}}
          },
          "answer": "ForgottenProxy", "errors": [400, 401, 403, 404, 409, 413, 415, 422, 507]
        }
      },
      "/v1/releases/{id}/live": {
        "parameters": [{"$ref": "#/components/parameters/id"}],
        "get": {
          "operationId": "getReleaseLive",
          "summary": "Where the release is live as a generation serves it (by default the present one), and where not.",
          "parameters": [
            {"$ref": "#/components/parameters/generation"}, {"$ref": "#/components/parameters/scope"},
            {"$ref": "#/components/parameters/wait"}
          ],
          "answer": "LiveReport", "errors": [400, 403, 404, 422, 503]
        }
      },
      "/v1/releases/{id}/history": {
        "parameters": [{"$ref": "#/components/parameters/id"}],
        "get": {
          "operationId": "getReleaseHistory", "summary": "What was done to a release, by whom and why, oldest first.",
          "responses": {
            "200": {
              "description": "The entries.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/LedgerPage"}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "A LedgerLine on each line."}}
              }
            }
          },
          "errors": [400, 403, 404]
        }
      },
      "/v1/releases/{id}/watch": {
        "parameters": [{"$ref": "#/components/parameters/id"}],
        "get": {
          "operationId": "watchRelease",
          "summary": "The release as it is, and whenever it has changed, until the server stops. An empty line or comment every 15 s says that the server is there.",
          "responses": {
            "200": {
              "description": "A ReleaseStatus on each line, or in the data of each event of type release.",
              "content": {
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/event-stream": {"schema": {"type": "string"}}
              }
            }
          },
          "errors": [400, 403, 404, 503]
        }
      },
      "/v1/ledger": {
        "get": {
          "operationId": "getLedger", "summary": "What was done to all releases, oldest first.",
          "parameters": [
            {
              "name": "after", "in": "query",
              "schema": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807},
              "description": "Only entries with a higher sequence."
            },
            {
              "name": "limit", "in": "query",
              "schema": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 1000}
            },
            {
              "name": "release", "in": "query", "schema": {"type": "string"},
              "description": "Only entries of this release."
            }
          ],
          "responses": {
            "200": {
              "description": "The entries.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/LedgerPage"}},
                "application/x-ndjson": {"schema": {"type": "string", "description": "A LedgerLine on each line."}}
              }
            }
          },
          "errors": [400, 403]
        }
      },
      "/v1/ledger/verify": {
        "get": {
          "operationId": "verifyLedger",
          "summary": "Whether the ledger is as it was written: each entry has the hash of the one before. Costs its length.",
          "parameters": [
            {
              "name": "mark", "in": "query", "schema": {"type": "string", "pattern": "^[0-9]{1,19}:[0-9a-f]{64}$"},
              "description": "An entry that was noted elsewhere, as an earlier verdict gave it: whether it is still there."
            }
          ],
          "answer": "LedgerVerdict", "errors": [400, 403, 422]
        }
      }
    }
    """#

  private static func required(_ schema: String) -> String { body(schema, isRequired: true) }
  private static func optional(_ schema: String) -> String { body(schema, isRequired: false) }

  private static func body(_ schema: String, isRequired: Bool) -> String {
    ##"{"required": \##(isRequired), "content": {"application/json": {"schema": {"$ref": "#/components/schemas/\##(schema)"}}}}"##
  }

  /// Each is as the template says.
  static let moves: [(path: String, operation: String, summary: String, body: String)] = [
    (
      "set-weight", "setReleaseWeight",
      "Gives the candidate this share; the release then moves only when it is told to.", required("WeightChange")
    ),
    ("promote", "promoteRelease", "Gives the candidate everything, without the steps between.", optional("Intent")),
    ("pause", "pauseRelease", "Stops at the weight that it has.", optional("Intent")),
    (
      "resume", "resumeRelease", "Goes on from where it was stopped, or from a weight that was set.", optional("Intent")
    ),
    (
      "approve", "approveRelease",
      "Goes on after a step that waits for it: the one that the body names, or that the release is at with the revision of If-Match; one of both is needed. Of a step that it has gone on from already nothing changes.",
      optional("Approval")
    ),
    ("rollback", "rollbackRelease", "Gives the stable version everything.", optional("Intent")),
    (
      "abort", "abortRelease",
      "Takes a running release away: routes are as the manifests say; refused while that leads to a version that the releases before have left.",
      optional("Intent")
    ),
    (
      "retire", "retireRelease", "Takes a release away that is over: routes are as the manifests say.",
      optional("Intent")
    ),
  ]

  static let moveTemplate = #"""
    {
      "parameters": [{"$ref": "#/components/parameters/id"}],
      "post": {
        "operationId": "OPERATION", "summary": "SUMMARY", "security": [{"token": []}, {}],
        "parameters": [
          {"$ref": "#/components/parameters/ifMatch"}, {"$ref": "#/components/parameters/idempotencyKey"}
        ],
        "requestBody": BODY,
        "responses": {
          "200": {
            "description": "As the change has left it.",
            "headers": {"ETag": {"$ref": "#/components/headers/revision"}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReleaseStatus"}}}
          },
          "202": {
            "description": "It is served, and not durable yet (notDurable says why); it is tried again until it is.",
            "headers": {"ETag": {"$ref": "#/components/headers/revision"}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReleaseStatus"}}}
          }
        },
        "errors": [400, 401, 403, 404, 409, 412, 413, 415, 422, 503, 507]
      }
    }
    """#
}
