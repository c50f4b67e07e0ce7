extension OpenAPIDocument {
  /// What is answered of releases, and errors.
  static let releaseSchemas = #"""
    {
      "Strategy": {"type": "string", "enum": ["canary", "blueGreen", "rules", "mirrorFirst"]},
      "ReleaseState": {
        "type": "string",
        "enum": [
          "running", "awaitingApproval", "manual", "paused", "frozen", "keepingWarm", "succeeded", "rolledBack",
          "aborted", "retired"
        ]
      },
      "Action": {
        "type": "string",
        "enum": ["set-weight", "promote", "pause", "resume", "approve", "rollback", "abort", "retire"]
      },
      "ReleaseStatus": {
        "type": "object",
        "required": [
          "id", "service", "strategy", "from", "to", "state", "weight", "mirror", "servedWeight", "steps", "step",
          "rules", "warmTime", "guardRails", "reason", "revision", "generation", "capacity", "routes", "allowedNow", "startedAt", "changedAt"
        ],
        "properties": {
          "id": {"type": "string"}, "service": {"type": "string", "description": "The full host name."},
          "port": {"type": "integer", "minimum": 0}, "strategy": {"$ref": "#/components/schemas/Strategy"},
          "from": {"type": "string"}, "to": {"type": "string"},
          "state": {"$ref": "#/components/schemas/ReleaseState"}, "weight": {"$ref": "#/components/schemas/Weight"},
          "mirror": {"$ref": "#/components/schemas/Weight"}, "servedWeight": {"$ref": "#/components/schemas/Weight"},
          "steps": {"type": "array", "items": {"$ref": "#/components/schemas/Step"}},
          "step": {"type": "integer", "minimum": -1, "description": "The index of the present one; -1 before the first."},
          "rules": {"type": "array", "items": {"$ref": "#/components/schemas/RequestRule"}},
          "previewHost": {"type": "string"}, "sticky": {"$ref": "#/components/schemas/Stickiness"},
          "warmTime": {"$ref": "#/components/schemas/Duration"},
          "guardRails": {"$ref": "#/components/schemas/GuardRails"},
          "nextWeight": {"$ref": "#/components/schemas/Weight"},
          "dueAt": {
            "type": "string", "format": "date-time",
            "description": "When it moves on by itself, as far as time goes."
          },
          "waitsFor": {"type": "string", "description": "What it waits for, other than time and approval: endpoints, a gate, or proxies by name."},
          "reason": {"type": "string"}, "revision": {"type": "integer", "minimum": 0},
          "generation": {"type": "integer", "minimum": 0, "description": "What serves it."},
          "liveOn": {"type": "string", "description": "On which proxies a step has to be live; all if it is not there."},
          "liveAt": {"type": "string", "format": "date-time", "description": "Since when that is live everywhere."},
          "notDurable": {
            "type": "string",
            "description": "Why what is served is not kept yet, as a rollback on a full disk; it is tried again until it is."
          },
          "capacity": {
            "type": "object", "description": "Ready endpoints.", "required": ["stable", "candidate"],
            "properties": {"stable": {"type": "integer", "minimum": 0}, "candidate": {"type": "integer", "minimum": 0}}
          },
          "routes": {
            "type": "object", "required": ["divided", "untouched"],
            "properties": {
              "divided": {"type": "array", "items": {"type": "string"}},
              "untouched": {"type": "array", "items": {"type": "string"}}
            }
          },
          "allowedNow": {"type": "array", "items": {"$ref": "#/components/schemas/Action"}},
          "startedAt": {"type": "string", "format": "date-time"},
          "changedAt": {"type": "string", "format": "date-time"}
        }
      },
      "ReleaseList": {
        "type": "object", "required": ["releases"],
        "properties": {"releases": {"type": "array", "items": {"$ref": "#/components/schemas/ReleaseStatus"}}}
      },
      "LiveReport": {
        "type": "object", "required": ["generation", "isLive", "scope", "total", "live", "laggards"],
        "properties": {
          "generation": {"type": "integer", "minimum": 0}, "isLive": {"type": "boolean"},
          "scope": {"type": "string"}, "total": {"type": "integer", "minimum": 0},
          "live": {"type": "integer", "minimum": 0},
          "reason": {
            "type": "string",
            "description": "Why it is not live whatever proxies hold: what is served is not what was set."
          },
          "supersededBy": {
            "type": "integer", "minimum": 0,
            "description": "The later generation that serves the release as it was set since: the change is live nowhere for good."
          },
          "laggards": {
            "type": "array",
            "items": {
              "type": "object", "required": ["node", "address", "state", "reasons"],
              "properties": {
                "node": {"type": "string"}, "address": {"type": "string"},
                "state": {"type": "string", "enum": ["pending", "sent", "acknowledged", "refused", "disconnected"]},
                "reasons": {"type": "array", "items": {"type": "string"}}
              }
            }
          }
        }
      },
      "LedgerLine": {
        "type": "object",
        "required": ["sequence", "release", "service", "at", "action", "actor", "reason", "outcome", "attributes", "previousHash", "hash"],
        "properties": {
          "sequence": {"type": "integer", "minimum": 0}, "release": {"type": "string"},
          "service": {"type": "string"}, "at": {"type": "string", "format": "date-time"},
          "action": {"type": "string"}, "actor": {"type": "string"}, "reason": {"type": "string"},
          "fromWeight": {"$ref": "#/components/schemas/Weight"}, "toWeight": {"$ref": "#/components/schemas/Weight"},
          "generation": {"type": "integer", "minimum": 0},
          "liveEverywhereAt": {"type": "string", "format": "date-time"},
          "refersTo": {"type": "integer", "minimum": 0}, "outcome": {"type": "string"},
          "attributes": {"type": "object", "additionalProperties": {"type": "string"}},
          "previousHash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
          "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"}
        }
      },
      "ForgottenProxy": {
        "type": "object", "required": ["node", "forgotten"],
        "properties": {
          "node": {"type": "string"},
          "forgotten": {
            "type": "integer", "minimum": 0, "description": "How many streams of it are not waited for any longer."
          }
        }
      },
      "LedgerPage": {
        "type": "object", "required": ["entries"],
        "properties": {"entries": {"type": "array", "items": {"$ref": "#/components/schemas/LedgerLine"}}}
      },
      "LedgerVerdict": {
        "type": "object", "required": ["entries"],
        "properties": {
          "entries": {"type": "integer", "minimum": 0},
          "finding": {"type": "string", "description": "The first thing that is wrong."},
          "mark": {
            "type": "string", "pattern": "^[1-9][0-9]*:[0-9a-f]{64}$",
            "description": "The last entry. Kept elsewhere, it shows later whether the ledger was cut short or written anew."
          }
        }
      },
      "Error": {
        "type": "object", "required": ["error"],
        "properties": {
          "error": {
            "type": "object", "required": ["code", "message"],
            "properties": {
              "code": {"type": "string", "description": "For programs."}, "message": {"type": "string"},
              "release": {"type": "string", "description": "The release that it is about."},
              "allowedNow": {
                "type": "array", "items": {"$ref": "#/components/schemas/Action"},
                "description": "What that release takes now."
              }
            }
          }
        }
      },
      "Wait": {
        "anyOf": [
          {"type": "number", "minimum": 0, "maximum": 600, "description": "Seconds."},
          {"type": "string", "pattern": "^([0-5]?[0-9]?[0-9]s|[0-9]{1,5}ms)$", "description": "As 5s or 500ms."}
        ]
      },
      "Scope": {
        "type": "string", "pattern": "^(all|node:.+|nodes:.+|namespace:.+|class:sidecar/[^/]+/[^/]+:[0-9]{1,5})$",
        "description": "all, node:ID, nodes:PATTERN, namespace:NAME, or class:KIND/NAMESPACE/HOST:PORT."
      }
    }
    """#
}
