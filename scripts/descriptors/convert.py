#!/usr/bin/env python3
"""Converts between messages and JSON by the real descriptors, for tests.

Reads lines from standard input and answers each with a line:

    decode FULL.NAME HEX    the message as JSON, or "error: …"
    encode FULL.NAME JSON   the message's bytes in hexadecimal, or "error: …"

Needs xds-protos and protobuf (`make test` installs them into .venv).
"""

import json
import sys

sys.dont_write_bytecode = True

import real  # noqa: E402 (after the line above, which keeps the tree clean)
from google.protobuf import descriptor_pool, json_format, message_factory


def convert(line):
    direction, name, argument = (line.split(" ", 2) + [""])[:3]
    message = message_class(name)()
    if direction == "decode":
        message.ParseFromString(bytes.fromhex(argument))
        return json.dumps(json_format.MessageToDict(message), ensure_ascii=False)
    json_format.Parse(argument, message)
    return message.SerializeToString(deterministic=True).hex()


def message_class(name):
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


def main():
    real.load_all()
    for line in sys.stdin:
        try:
            print(convert(line.rstrip("\n")))
        except Exception as error:  # The caller is a test: whatever went wrong belongs into its report.
            print("error: " + str(error).replace("\n", " "))


if __name__ == "__main__":
    main()
