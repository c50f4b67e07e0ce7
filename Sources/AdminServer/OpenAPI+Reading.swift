extension OpenAPIDocument {
  /// What is answered to those who only look.
  static let readingSchemas = #"""
    {
      "ServiceName": {
        "type": "string",
        "pattern": "^[A-Za-z0-9-]{1,63}\\.[A-Za-z0-9-]{1,63}(\\.svc(\\.cluster\\.local)?)?$"
      },
      "Ready": {"type": "object", "required": ["ready"], "properties": {"ready": {"const": true}}},
      "Alive": {"type": "object", "required": ["live"], "properties": {"live": {"const": true}}},
      "ResourceKind": {"type": "string", "enum": ["cluster", "endpoint", "listener", "route", "virtual_host", "lb_endpoint"]},
      "ConvergenceReport": {
        "type": "object",
        "required": ["generation", "newestGeneration", "scope", "live", "total", "liveCount", "proxies"],
        "properties": {
          "generation": {"type": "integer", "minimum": 0}, "newestGeneration": {"type": "integer", "minimum": 0},
          "scope": {"type": "string"}, "live": {"type": "boolean"}, "total": {"type": "integer", "minimum": 0},
          "liveCount": {"type": "integer", "minimum": 0},
          "proxies": {
            "type": "array", "items": {"$ref": "#/components/schemas/ConvergenceProxy"},
            "description": "Those where it is not live; all if that was asked for."
          }
        }
      },
      "ConvergenceProxy": {
        "type": "object",
        "required": ["nodeID", "namespace", "protocol", "remoteAddress", "state", "confirmedGeneration", "reasons", "refusals"],
        "properties": {
          "nodeID": {"type": "string"}, "namespace": {"type": "string"},
          "protocol": {"type": "string", "enum": ["delta", "sotw"]},
          "type": {"$ref": "#/components/schemas/ResourceKind", "description": "Of a stream of one type."},
          "remoteAddress": {"type": "string"},
          "state": {"type": "string", "enum": ["pending", "sent", "acknowledged", "live", "refused", "disconnected"]},
          "confirmedGeneration": {"type": "integer", "minimum": 0},
          "reasons": {"type": "array", "items": {"type": "string"}},
          "refusals": {"type": "array", "items": {"$ref": "#/components/schemas/Refusal"}},
          "disconnectedSince": {"type": "string", "format": "date-time"}
        }
      },
      "Refusal": {
        "type": "object", "required": ["type", "resource", "parts", "reason", "generation", "objects"],
        "properties": {
          "type": {"$ref": "#/components/schemas/ResourceKind"}, "resource": {"type": "string"},
          "parts": {"type": "array", "items": {"type": "string"}},
          "reason": {"type": "string", "description": "The proxy's own words."},
          "generation": {"type": "integer", "minimum": 0},
          "objects": {
            "type": "array",
            "items": {
              "type": "object", "required": ["kind", "name", "place"],
              "properties": {"kind": {"type": "string"}, "name": {"type": "string"}, "place": {"type": "string"}}
            }
          }
        }
      },
      "TerminationReport": {
        "type": "object", "required": ["safe", "served", "proxies", "total"],
        "properties": {
          "safe": {"type": "boolean"}, "served": {"type": "array", "items": {"type": "string"}},
          "proxies": {
            "type": "array",
            "items": {
              "type": "object", "required": ["nodeID", "remoteAddress", "resources"],
              "properties": {
                "nodeID": {"type": "string"}, "remoteAddress": {"type": "string"},
                "resources": {"type": "array", "items": {"type": "string"}},
                "disconnectedSince": {"type": "string", "format": "date-time"}
              }
            }
          },
          "total": {"type": "integer", "minimum": 0}
        }
      },
      "ProxyList": {
        "type": "object", "required": ["proxies"],
        "properties": {"proxies": {"type": "array", "items": {"$ref": "#/components/schemas/Proxy"}}}
      },
      "Proxy": {
        "type": "object",
        "required": ["nodeID", "namespace", "kind", "protocol", "remoteAddress", "connectedSince", "types"],
        "properties": {
          "nodeID": {"type": "string"}, "namespace": {"type": "string"}, "kind": {"type": "string"},
          "protocol": {"type": "string", "enum": ["delta", "sotw"]}, "remoteAddress": {"type": "string"},
          "connectedSince": {"type": "string", "format": "date-time"},
          "types": {"type": "array", "items": {"$ref": "#/components/schemas/ProxyType"}}
        }
      },
      "ProxyType": {
        "type": "object", "required": ["type", "subscribed", "wildcard", "inFlight", "lag", "heldBack"],
        "properties": {
          "type": {"$ref": "#/components/schemas/ResourceKind"}, "subscribed": {"type": "integer", "minimum": 0},
          "wildcard": {"type": "boolean"}, "heldVersion": {"type": "string"}, "sentVersion": {"type": "string"},
          "inFlight": {"type": "boolean"}, "lag": {"type": "integer", "minimum": 0},
          "heldBack": {
            "type": "array",
            "items": {
              "type": "object", "required": ["name", "reason"],
              "properties": {"name": {"type": "string"}, "reason": {"type": "string"}}
            }
          },
          "lastNack": {
            "type": "object", "required": ["reason", "resources", "at"],
            "properties": {
              "reason": {"type": "string"}, "resources": {"type": "array", "items": {"type": "string"}},
              "at": {"type": "string", "format": "date-time"}
            }
          }
        }
      },
      "ProblemList": {
        "type": "object", "required": ["errors", "warnings", "problems"],
        "properties": {
          "errors": {"type": "integer", "minimum": 0}, "warnings": {"type": "integer", "minimum": 0},
          "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}
        }
      },
      "Problem": {
        "type": "object", "required": ["severity", "message"],
        "properties": {
          "severity": {"type": "string", "enum": ["error", "warning"]}, "file": {"type": "string"},
          "document": {"type": "integer", "minimum": 0}, "line": {"type": "integer", "minimum": 0},
          "object": {
            "type": "object", "required": ["kind", "name"],
            "properties": {"kind": {"type": "string"}, "namespace": {"type": "string"}, "name": {"type": "string"}}
          },
          "field": {"type": "string"}, "message": {"type": "string"}
        }
      },
      "ChangeList": {
        "type": "object", "required": ["kept", "changes"],
        "properties": {
          "kept": {"type": "integer", "minimum": 0},
          "changes": {"type": "array", "items": {"$ref": "#/components/schemas/Change"}}
        }
      },
      "Change": {
        "type": "object", "required": ["at", "generation", "steps", "changed", "omittedSteps"],
        "properties": {
          "at": {"type": "string", "format": "date-time"}, "generation": {"type": "integer", "minimum": 0},
          "steps": {
            "type": "array",
            "items": {
              "type": "object", "required": ["kind", "unit", "changed"],
              "properties": {
                "kind": {"type": "string", "enum": ["edited", "ran", "removed", "regrouped"]},
                "unit": {"type": "string"}, "changed": {"type": "boolean"},
                "because": {"type": "integer", "minimum": 0}, "object": {"type": "string"},
                "place": {"type": "string"}
              }
            }
          },
          "changed": {
            "type": "array",
            "items": {
              "type": "object", "required": ["type", "name"],
              "properties": {
                "type": {"$ref": "#/components/schemas/ResourceKind"}, "name": {"type": "string"},
                "step": {"type": "integer", "minimum": 0}
              }
            }
          },
          "omittedSteps": {"type": "integer", "minimum": 0}
        }
      },
      "ResourceList": {
        "type": "object", "required": ["resources"],
        "properties": {"resources": {"type": "array", "items": {"$ref": "#/components/schemas/Resource"}}}
      },
      "Resource": {
        "type": "object", "required": ["type", "name", "version", "body"],
        "properties": {
          "type": {"$ref": "#/components/schemas/ResourceKind"}, "name": {"type": "string"},
          "version": {"type": "string"},
          "proxyClass": {
            "type": "object", "required": ["kind", "namespace", "listen"],
            "properties": {"kind": {"type": "string"}, "namespace": {"type": "string"}, "listen": {"type": "string"}}
          },
          "body": {
            "type": "object", "additionalProperties": true,
            "description": "The message, by protobuf's JSON mapping."
          }
        }
      }
    }
    """#
}
