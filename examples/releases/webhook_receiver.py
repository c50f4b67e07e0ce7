#!/usr/bin/env python3
"""Receives Weir's release notifications: WEIR_WEBHOOK_SECRET=… webhook_receiver.py [PORT]

Prints its port, and then a line of JSON for each request: what was told, or why it was refused. Shows how to verify a request
of a webhook of kind generic: the signature over the timestamp and the body's bytes, and that the timestamp is of now.
"""

import hashlib
import hmac
import http.server
import json
import os
import sys
import time

SECRET = os.environ["WEIR_WEBHOOK_SECRET"].encode()
TOLERANCE_SECONDS = 300


def complaint(headers, body):
    """None if the request is Weir's, as it was sent, and of now."""
    timestamp, signature = headers.get("Weir-Timestamp"), headers.get("Weir-Signature")
    if not timestamp or not signature:
        return "there is no signature"
    expected = "sha256=" + hmac.new(SECRET, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        return "the signature is wrong"
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return "the timestamp is too old"
    return None


def say(line):
    """In one write, for requests are answered side by side."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reason = complaint(self.headers, body)
        self.send_response(401 if reason else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if reason:
            say({"refused": reason})
            return
        event = json.loads(body)
        ledger = event.get("ledger", {})
        line = {"verified": True, "delivery": event["delivery"], "action": event["action"], "reason": event["reason"]}
        # Whoever keeps this can tell later whether the ledger was rewritten.
        line["mark"] = f"{ledger.get('sequence')}:{ledger.get('hash')}"
        say(line)

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    say({"port": server.server_port})
    server.serve_forever()
