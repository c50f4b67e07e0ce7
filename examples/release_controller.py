#!/usr/bin/env python3
"""A release controller: a canary over Weir's admin HTTP API, with a check of its own after each step.

    weir serve --manifests DIR --admin 127.0.0.1:15014
    examples/release_controller.py reviews.shop v1 v2 --probe http://127.0.0.1:15001/ --host reviews

After each step it waits until the step is live on every proxy, sends requests through one of them, and goes on if enough of
them are answered well; else it rolls back. Exits with 0 if the new version has everything, and with 1 if the old one has.
Needs Python 3.8 or later and nothing else.
"""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid


class Weir:
    def __init__(self, url, token=None):
        self.url = url.rstrip("/")
        self.token = token

    def open(self, path, body=None, revision=None, timeout=60):
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
            # Sent again after a lost answer, it would be carried out once.
            headers["Idempotency-Key"] = str(uuid.uuid4())
        if revision is not None:
            # Somebody else may have moved the release since we looked.
            headers["If-Match"] = f'"{revision}"'
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            return urllib.request.urlopen(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            sys.exit(f"{path}: {json.load(error)['error']['message']}")

    def call(self, path, body=None, revision=None):
        with self.open(path, body, revision) as answer:
            return json.load(answer)


def probe(url, host, count):
    """The share of requests that are answered with less than 500."""
    good = 0
    for _ in range(count):
        request = urllib.request.Request(url, headers={"Host": host} if host else {})
        try:
            with urllib.request.urlopen(request, timeout=5):
                good += 1
        except urllib.error.HTTPError as error:
            good += error.code < 500
        except OSError:
            pass
    return good / count


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("service", help="NAME.NAMESPACE")
    arguments.add_argument("stable", metavar="from", help="the version that serves now")
    arguments.add_argument("candidate", metavar="to", help="the version that is to serve")
    arguments.add_argument("--weir", default="http://127.0.0.1:15014", help="the admin address (%(default)s)")
    arguments.add_argument("--token-file", help="what the server's --admin-token-file holds")
    arguments.add_argument("--steps", default="5,25,50", help="weights in percent (%(default)s)")
    arguments.add_argument("--probe", required=True, help="a URL that leads to the service through a proxy")
    arguments.add_argument("--host", help="the Host header of the probes")
    arguments.add_argument("--requests", type=int, default=200, help="probes after each step (%(default)s)")
    arguments.add_argument("--least", type=float, default=0.99, help="the share of them that must be good (%(default)s)")
    given = arguments.parse_args()
    token = open(given.token_file).read().strip() if given.token_file else None
    weir = Weir(given.weir, token)

    status = weir.call("/v1/releases", {
        "service": given.service, "from": given.stable, "to": given.candidate,
        "steps": [{"weight": float(step), "pause": "approval"} for step in given.steps.split(",")],
        "actor": "release_controller.py",
    })
    path = "/v1/releases/" + urllib.parse.quote(status["id"])
    while status["state"] == "awaitingApproval":
        report = weir.call(path + "/live?wait=30s")
        if report["isLive"]:
            share = probe(given.probe, given.host, given.requests)
            problem = None if share >= given.least else f"only {share:.1%} of the requests were answered well"
        else:
            problem = "not live on " + ", ".join(laggard["node"] for laggard in report["laggards"])
        print(f"{status['weight']} %: {problem or 'good'}", flush=True)
        if problem:
            weir.call(path + "/rollback", {"actor": "release_controller.py", "reason": problem})
            weir.call(path + "/live?wait=30s")
            break
        status = weir.call(path + "/approve", {"actor": "release_controller.py"}, revision=status["revision"])

    # The last step ends by itself once it is live; a guard rail may have had another opinion.
    with weir.open(path + "/watch") as lines:
        for line in lines:
            if line.strip():
                status = json.loads(line)
                if status["state"] in ("succeeded", "rolledBack", "aborted", "retired"):
                    break
    print(f"{status['id']}: {status['state']}")
    sys.exit(0 if status["state"] == "succeeded" else 1)


if __name__ == "__main__":
    main()
