"""What schemathesis is told of the admin API beyond its OpenAPI document, so that half of what it sends leads somewhere.

Which half depends on what it made, so that a seed means the same requests again.
"""

import re
import zlib

import jsonschema_rs
import schemathesis

# As in the manifests of AdminAPITests.swift.
SERVICES = ["reviews.shop", "ratings.shop", "details.shop"]


def number(value):
    return zlib.crc32(repr(value).encode(errors="replace"))


def is_valid(context, name, value):
    """By the document's schema of that name. What is wrong on purpose stays as it is, and has to be refused."""
    components = context.operation.schema.raw_schema["components"]
    try:
        return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": components}).is_valid(value)
    except ValueError:
        return False


def rounded(weight):
    return round(weight, 2) if isinstance(weight, (int, float)) and not isinstance(weight, bool) else weight


@schemathesis.hook
def map_query(context, query):
    """Nobody waits for long: a generation that is never served would be waited for as long as was asked."""
    if query and "wait" in query and is_valid(context, "Wait", query["wait"]):
        query["wait"] = "10ms"
    return query


@schemathesis.hook
def map_path_parameters(context, parameters):
    """Releases that may be there."""
    chosen = number(parameters)
    if parameters and "id" in parameters and chosen % 4:
        parameters["id"] = f"{SERVICES[chosen // 4 % 3]}-{1 + chosen // 12 % 2}"
    return parameters


@schemathesis.hook
def map_headers(context, headers):
    """A random revision is never the present one."""
    if headers and number(dict(headers)) % 4 and re.fullmatch(r'"[0-9]+"', str(headers.get("If-Match"))):
        del headers["If-Match"]
    return headers


@schemathesis.hook
def map_body(context, body):
    """Releases of services that are there, by plans that make sense."""
    chosen = number(body)
    if not isinstance(body, dict) or chosen % 4 == 0:
        return body
    if "weight" in body and is_valid(context, "WeightChange", body):
        body["weight"] = rounded(body["weight"])
    if "service" in body and is_valid(context, "NewRelease", body):
        body.update(service=SERVICES[chosen // 4 % 3], **{"from": "v1", "to": "v2"})
        for field in ("port", "rules", "previewHost", "versionLabel"):
            if chosen // 12 % 4:
                body.pop(field, None)
        if isinstance(body.get("steps"), list):
            weights = {rounded(step["weight"] if isinstance(step, dict) else step) for step in body["steps"]}
            body["steps"] = sorted(weight for weight in weights if isinstance(weight, (int, float)))
    return body
