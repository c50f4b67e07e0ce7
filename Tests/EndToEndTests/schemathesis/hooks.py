"""What schemathesis is told of the admin API beyond its OpenAPI document, so that what it sends leads somewhere."""

import schemathesis

# As in the manifests of AdminAPITests.swift.
SERVICES = ["reviews.shop", "ratings.shop", "details.shop"]


@schemathesis.hook
def map_query(context, query):
    """Nobody waits for long: a generation that is never served would be waited for as long as was asked."""
    if query and "wait" in query:
        query["wait"] = "10ms"
    return query


@schemathesis.hook
def map_path_parameters(context, parameters):
    """Half of the releases that are asked for are there."""
    name = (parameters or {}).get("id")
    if isinstance(name, str) and len(name) % 2 == 0:
        parameters["id"] = f"{SERVICES[len(name) // 2 % len(SERVICES)]}-1"
    return parameters


@schemathesis.hook
def map_body(context, body):
    """Half of the releases that are started are of a service that is there, between versions that it has."""
    if isinstance(body, dict) and isinstance(body.get("service"), str) and len(body["service"]) % 2 == 0:
        body["service"] = SERVICES[len(body["service"]) // 2 % len(SERVICES)]
        for field, version in (("from", "v1"), ("to", "v2")):
            if isinstance(body.get(field), str):
                body[field] = version
    return body
