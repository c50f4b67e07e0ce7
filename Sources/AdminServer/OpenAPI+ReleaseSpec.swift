extension OpenAPIDocument {
  /// What is sent to start and move releases.
  static let releaseSpecSchemas = #"""
    {
      "Weight": {"type": "number", "minimum": 0, "maximum": 100, "description": "Percent, with at most two decimals."},
      "Duration": {"type": "number", "minimum": 0, "maximum": 1000000000, "description": "Seconds."},
      "Pause": {
        "oneOf": [{"type": "string", "enum": ["none", "approval"]}, {"$ref": "#/components/schemas/Duration"}],
        "description": "What has to happen before the next step: nothing, an approval, or a time, after the step is live everywhere."
      },
      "Step": {
        "oneOf": [
          {"$ref": "#/components/schemas/Weight"},
          {
            "type": "object", "required": ["weight"],
            "properties": {
              "weight": {"$ref": "#/components/schemas/Weight"}, "mirror": {"$ref": "#/components/schemas/Weight"},
              "pause": {"$ref": "#/components/schemas/Pause"}
            },
            "additionalProperties": false
          }
        ]
      },
      "StringMatch": {
        "oneOf": [
          {
            "type": "object", "required": ["exact"], "properties": {"exact": {"type": "string", "maxLength": 1024}},
            "additionalProperties": false
          },
          {
            "type": "object", "required": ["prefix"],
            "properties": {"prefix": {"type": "string", "minLength": 1, "maxLength": 1024}},
            "additionalProperties": false
          },
          {
            "type": "object", "required": ["regex"], "properties": {"regex": {"type": "string", "maxLength": 1024}},
            "additionalProperties": false
          },
          {
            "type": "object", "required": ["present"], "properties": {"present": {"const": true}},
            "additionalProperties": false
          }
        ]
      },
      "RequestRule": {
        "type": "object", "description": "All conditions must hold; at least one is needed.",
        "properties": {
          "headers": {
            "type": "object", "additionalProperties": {"$ref": "#/components/schemas/StringMatch"},
            "description": "By name, in lower case."
          },
          "cookies": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/StringMatch"}},
          "query": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/StringMatch"}}
        },
        "additionalProperties": false
      },
      "Stickiness": {
        "oneOf": [
          {
            "type": "object", "required": ["cookie"],
            "properties": {
              "cookie": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$"},
              "ttl": {
                "type": "integer", "minimum": 0, "maximum": 315360000,
                "description": "Seconds; 0 for as long as the browser runs."
              }
            },
            "additionalProperties": false
          },
          {
            "type": "object", "required": ["header"],
            "properties": {"header": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$"}},
            "additionalProperties": false
          }
        ]
      },
      "GuardRails": {
        "type": "object",
        "properties": {
          "minimumReady": {
            "type": "integer", "minimum": 0, "maximum": 1000000, "default": 1,
            "description": "A subset gets no traffic with fewer ready endpoints."
          },
          "capacity": {"$ref": "#/components/schemas/Weight"},
          "onShortfall": {
            "type": "string", "enum": ["refuse", "hold"], "default": "refuse",
            "description": "What becomes of a weight that a subset cannot carry."
          },
          "onEmpty": {
            "type": "string", "enum": ["fail", "spill", "freezeAndRollBack"], "default": "freezeAndRollBack",
            "description": "What happens when a subset that gets traffic has no ready endpoint left, or too few."
          }
        },
        "additionalProperties": false
      },
      "NewRelease": {
        "type": "object", "required": ["service", "from", "to"],
        "properties": {
          "service": {
            "type": "string", "minLength": 1, "maxLength": 253,
            "description": "NAME.NAMESPACE, or a longer form of it."
          },
          "port": {"type": "integer", "minimum": 1, "maximum": 65535, "description": "All HTTP ports if it is not there."},
          "strategy": {"$ref": "#/components/schemas/Strategy"},
          "from": {"$ref": "#/components/schemas/SubsetName"}, "to": {"$ref": "#/components/schemas/SubsetName"},
          "versionLabel": {
            "type": "string", "pattern": "^[A-Za-z0-9._/-]{1,317}$", "default": "version",
            "description": "Where no DestinationRule declares a subset, it is the pods whose label of this name has the subset's name as its value."
          },
          "steps": {
            "type": "array", "items": {"$ref": "#/components/schemas/Step"}, "maxItems": 100,
            "description": "In ascending order; a last step of 100 is added."
          },
          "pause": {"$ref": "#/components/schemas/Pause"},
          "rules": {
            "type": "array", "items": {"$ref": "#/components/schemas/RequestRule"}, "maxItems": 16,
            "description": "Requests that go to the candidate whatever the weight."
          },
          "previewHost": {
            "type": "string",
            "pattern": "^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)+$",
            "maxLength": 253, "description": "A host that leads to the candidate alone. It must be nobody else's."
          },
          "warmTime": {"$ref": "#/components/schemas/Duration"},
          "sticky": {"$ref": "#/components/schemas/Stickiness"},
          "guardRails": {"$ref": "#/components/schemas/GuardRails"},
          "liveOn": {"$ref": "#/components/schemas/ProxiesOfSteps"},
          "actor": {"$ref": "#/components/schemas/Actor"}, "reason": {"$ref": "#/components/schemas/Reason"}
        },
        "additionalProperties": false
      },
      "ProxiesOfSteps": {
        "type": "string", "maxLength": 1024,
        "pattern": "^(all|(node|nodes|namespace):[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]+|class:sidecar/[!-.0-~]+/[!-.0-~]+:[0-9]{1,5})$",
        "description": "On which proxies a step has to be live before its pause begins, as a scope: namespace:shop. All if it is not there."
      },
      "ProxyToForget": {
        "type": "object", "required": ["node"],
        "properties": {
          "node": {"type": "string", "minLength": 1, "maxLength": 256, "description": "The proxy's node id."},
          "actor": {"$ref": "#/components/schemas/Actor"}, "reason": {"$ref": "#/components/schemas/Reason"}
        },
        "additionalProperties": false
      },
      "WeightChange": {
        "type": "object", "required": ["weight"],
        "properties": {
          "weight": {"$ref": "#/components/schemas/Weight"},
          "actor": {"$ref": "#/components/schemas/Actor"}, "reason": {"$ref": "#/components/schemas/Reason"}
        },
        "additionalProperties": false
      },
      "Approval": {
        "type": "object",
        "properties": {
          "step": {
            "type": "integer", "minimum": 0, "maximum": 1000,
            "description": "The step that is approved, as the release's status says where it is."
          },
          "actor": {"$ref": "#/components/schemas/Actor"}, "reason": {"$ref": "#/components/schemas/Reason"}
        },
        "additionalProperties": false
      },
      "SubsetName": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$"},
      "Actor": {
        "type": "string", "maxLength": 256, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$",
        "description": "Who does it, for the ledger."
      },
      "Reason": {
        "type": "string", "maxLength": 4096, "pattern": "^[^\\u0000]*$", "description": "Why, for the ledger."
      },
      "Intent": {
        "type": "object",
        "properties": {
          "actor": {"$ref": "#/components/schemas/Actor"}, "reason": {"$ref": "#/components/schemas/Reason"}
        },
        "additionalProperties": false
      }
    }
    """#
}
