#!/usr/bin/env python3
"""Verifies a release ledger without Weir: weir release history --json | verify_ledger.py [SEQUENCE:HASH...]

Reads the entries as JSON lines and makes each one's hash from what it says, as Sources/ReleaseStores/Ledger/LedgerEncoding.swift
describes. Marks that were noted elsewhere, as in a notification, show whether the ledger was written anew since. Exits with
1 and says which entry is the first that is not as it was written.
"""

import datetime
import hashlib
import json
import struct
import sys


def number(value):
    return struct.pack(">Q", value)


def text(value):
    encoded = value.encode()
    return number(len(encoded)) + encoded


def optional(value, encode):
    return b"\0" if value is None else b"\1" + encode(value)


def time(value):
    at = datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    milliseconds = (at - datetime.datetime(1970, 1, 1)) // datetime.timedelta(milliseconds=1)
    return struct.pack(">q", milliseconds)


def weight(percent):
    return number(round(percent * 100))


def encoded(entry):
    out = text("weir.release.ledger/1") + bytes.fromhex(entry["previousHash"]) + number(entry["sequence"])
    for name in ("release", "service", "actor", "action", "reason"):
        out += text(entry[name])
    out += optional(entry.get("fromWeight"), weight) + optional(entry.get("toWeight"), weight)
    out += optional(entry.get("generation"), number)
    out += time(entry["at"]) + optional(entry.get("liveEverywhereAt"), time)
    out += optional(entry.get("refersTo"), number) + text(entry["outcome"])
    attributes = sorted(entry["attributes"].items(), key=lambda item: item[0].encode())
    return out + number(len(attributes)) + b"".join(text(name) + text(value) for name, value in attributes)


def verify(lines, marks):
    previous = "0" * 64
    count = 0
    for line in lines:
        entry = json.loads(line)
        count += 1
        if entry["sequence"] != count:
            return f"entry {count} is missing, or entries are in another order"
        if hashlib.sha256(encoded(entry)).hexdigest() != entry["hash"]:
            return f"entry {count} was changed"
        if entry["previousHash"] != previous:
            return f"entry {count} does not follow the one before it"
        if marks.pop(count, entry["hash"]) != entry["hash"]:
            return f"entry {count} is not the one that was noted elsewhere"
        previous = entry["hash"]
    if marks:
        return f"entry {max(marks)} was noted elsewhere, and is not there"
    print(f"{count} entries, the last is {count}:{previous}")
    return None


if __name__ == "__main__":
    noted = {int(mark.split(":")[0]): mark.split(":")[1] for mark in sys.argv[1:]}
    finding = verify((line for line in sys.stdin if line.strip()), noted)
    if finding:
        print(finding)
        sys.exit(1)
