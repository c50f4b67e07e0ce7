extension OpenAPIDocument {
  /// What is only read.
  static let readingPaths = #"""
    {
      "/v1/convergence": {
        "get": {
          "operationId": "getConvergence",
          "summary": "Where a generation (by default the newest) is live, and where not.",
          "parameters": [
            {"$ref": "#/components/parameters/generation"}, {"$ref": "#/components/parameters/scope"},
            {
              "name": "service", "in": "query", "schema": {"$ref": "#/components/schemas/ServiceName"},
              "description": "Only what concerns this service, as reviews.shop."
            },
            {
              "name": "at-least", "in": "query",
              "schema": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807},
              "description": "With fewer live proxies the answer is no; 1 if it is not there."
            },
            {"$ref": "#/components/parameters/wait"},
            {
              "name": "all", "in": "query", "schema": {"type": "boolean"},
              "description": "Lists proxies where it is live, too."
            }
          ],
          "responses": {
            "200": {
              "description": "The answer; or each change until it is live, as a line or in the data of an event of type convergence.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ConvergenceReport"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "text/event-stream": {"schema": {"type": "string"}}
              }
            }
          },
          "errors": [400, 403, 503]
        }
      },
      "/v1/safe-to-terminate": {
        "get": {
          "operationId": "getSafeToTerminate",
          "summary": "Whether any proxy can still pick an endpoint, or any endpoint of a subset.",
          "parameters": [
            {
              "name": "address", "in": "query",
              "schema": {"type": "string", "pattern": "^([0-9.]{7,15}|\\[[0-9a-fA-F:.]{2,45}\\]):[0-9]{1,5}$"},
              "description": "IP:PORT of an endpoint; without service, subset and port."
            },
            {
              "name": "service", "in": "query", "schema": {"$ref": "#/components/schemas/ServiceName"},
              "description": "As reviews.shop."
            },
            {"name": "subset", "in": "query", "schema": {"type": "string"}},
            {"name": "port", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": 65535}},
            {"$ref": "#/components/parameters/wait"}
          ],
          "answer": "TerminationReport", "errors": [400, 403, 404, 503]
        }
      },
      "/ready": {
        "get": {
          "operationId": "getReady", "summary": "Whether every source has been read, so that proxies are served.",
          "answer": "Ready", "errors": [403, 503]
        }
      },
      "/live": {
        "get": {"operationId": "getLive", "summary": "That the process answers.", "answer": "Alive", "errors": [403]}
      },
      "/v1/proxies": {
        "get": {
          "operationId": "getProxies", "summary": "Connected proxies: what each holds, waits for and has refused.",
          "answer": "ProxyList", "errors": [400, 403]
        }
      },
      "/v1/problems": {
        "get": {
          "operationId": "getProblems", "summary": "What is wrong with the input.", "answer": "ProblemList",
          "errors": [400, 403]
        }
      },
      "/v1/changes": {
        "get": {
          "operationId": "getChanges",
          "summary": "The last changes: which edits came in, what ran and why, and what came of it.",
          "answer": "ChangeList", "errors": [400, 403]
        }
      },
      "/v1/resources": {
        "get": {
          "operationId": "getResources", "summary": "What is served.",
          "parameters": [
            {
              "name": "type", "in": "query",
              "schema": {
                "type": "string",
                "enum": [
                  "cluster", "endpoint", "listener", "route", "virtual_host", "lb_endpoint",
                  "type.googleapis.com/envoy.config.cluster.v3.Cluster",
                  "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                  "type.googleapis.com/envoy.config.listener.v3.Listener",
                  "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
                  "type.googleapis.com/envoy.config.route.v3.VirtualHost",
                  "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint"
                ]
              },
              "description": "cluster, endpoint, listener, route, virtual_host, lb_endpoint, or a type URL."
            },
            {"name": "name", "in": "query", "schema": {"type": "string"}},
            {"name": "namespace", "in": "query", "schema": {"type": "string"}}
          ],
          "answer": "ResourceList", "errors": [400, 403]
        }
      }
    }
    """#
}
