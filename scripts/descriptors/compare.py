#!/usr/bin/env python3
"""Holds every message, enum and service under protos/xds against the real descriptors.

    compare.py [--protos DIR]

A message may have fewer fields than the real one, and an enum fewer values. What is there must be right: a field's number,
name, JSON name, label, type, message or enum type, presence, oneof and whether it is a map; an enum value's name and number;
a method's types and streaming.

Prints how much was compared, and one line for each difference. Exit 0 without differences, 1 with, 2 if it cannot compare.
Needs protoc or protoc-c, and in Python xds-protos and protobuf (`make test` installs them into .venv).
"""

import argparse
import collections
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import real  # noqa: E402 (after the line above, which keeps the tree clean)
from google.protobuf import descriptor_pb2, descriptor_pool


def compile_protos(protos, paths):
    """Our files as descriptors, in a pool of their own."""
    compiler = shutil.which("protoc") or shutil.which("protoc-c")
    if not compiler:
        sys.exit("compare.py: neither protoc nor protoc-c is there: apt-get install protobuf-c-compiler")
    with tempfile.NamedTemporaryFile() as file:
        # protoc-c is protoc with one more output, so either can write descriptors.
        subprocess.run(
            [compiler, f"-I{protos}", f"--descriptor_set_out={file.name}", "--include_imports", *paths], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(open(file.name, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for proto in files.file:
        pool.Add(proto)
    return pool


class Comparison:
    def __init__(self):
        self.counts = collections.Counter()
        self.differences = []

    def check(self, where, what, ours, theirs):
        if ours != theirs:
            self.differences.append(f"{where}: {what} is {ours!r}, really {theirs!r}")

    def file(self, ours, theirs):
        self.counts["files"] += 1
        self.check(ours.name, "package", ours.package, theirs.package)
        self.named(ours.name, ours.message_types_by_name, theirs.message_types_by_name, self.message)
        self.named(ours.name, ours.enum_types_by_name, theirs.enum_types_by_name, self.enum)
        self.named(ours.name, ours.services_by_name, theirs.services_by_name, self.service)

    def named(self, where, ours, theirs, compare):
        for name, item in ours.items():
            if name in theirs:
                compare(item, theirs[name])
            else:
                self.differences.append(f"{where}: {name} does not really exist")

    def message(self, ours, theirs):
        self.counts["messages"] += 1
        self.check(ours.full_name, "map entry", ours.GetOptions().map_entry, theirs.GetOptions().map_entry)
        for field in ours.fields:
            self.field(field, theirs)
        self.named(ours.full_name, ours.nested_types_by_name, theirs.nested_types_by_name, self.message)
        self.named(ours.full_name, ours.enum_types_by_name, theirs.enum_types_by_name, self.enum)

    def field(self, ours, message):
        self.counts["fields"] += 1
        theirs = message.fields_by_name.get(ours.name)
        if theirs is None:
            self.differences.append(f"{ours.full_name}: does not really exist")
            return

        def full_name(item):
            return item.full_name if item else None

        for what, value in {
            "number": lambda field: field.number,
            "JSON name": lambda field: field.json_name,
            "repeated": lambda field: field.is_repeated,
            "required": lambda field: field.is_required,
            "packed": lambda field: field.is_packed,
            "presence": lambda field: field.has_presence,
            "type": lambda field: field.type,
            "message type": lambda field: full_name(field.message_type),
            "enum type": lambda field: full_name(field.enum_type),
            "oneof": lambda field: full_name(field.containing_oneof),
        }.items():
            self.check(ours.full_name, what, value(ours), value(theirs))

    def enum(self, ours, theirs):
        self.counts["enums"] += 1
        for value in ours.values:
            self.counts["enum values"] += 1
            match = theirs.values_by_name.get(value.name)
            self.check(f"{ours.full_name}.{value.name}", "number", value.number, match.number if match else None)

    def service(self, ours, theirs):
        self.counts["services"] += 1
        self.named(ours.full_name, ours.methods_by_name, theirs.methods_by_name, self.method)

    def method(self, ours, theirs):
        self.counts["methods"] += 1
        self.check(ours.full_name, "input", ours.input_type.full_name, theirs.input_type.full_name)
        self.check(ours.full_name, "output", ours.output_type.full_name, theirs.output_type.full_name)
        self.check(ours.full_name, "client streaming", ours.client_streaming, theirs.client_streaming)
        self.check(ours.full_name, "server streaming", ours.server_streaming, theirs.server_streaming)


def main():
    parser = argparse.ArgumentParser(description="Compares protos/xds with the real descriptors.")
    parser.add_argument("--protos", default=str(real.PROTOS), help="the folder to compare (default: protos/xds)")
    protos = parser.parse_args().protos

    paths = real.proto_paths(protos)
    if not paths:
        print(f"compare.py: no .proto file under {protos}", file=sys.stderr)
        return 2
    pool = compile_protos(protos, paths)
    comparison = Comparison()
    for path in paths:
        comparison.file(pool.FindFileByName(path), real.load(path).DESCRIPTOR)
    for difference in comparison.differences:
        print(difference)
    kinds = ["files", "messages", "fields", "enums", "enum values", "services", "methods"]
    print("compared " + ", ".join(f"{comparison.counts[kind]} {kind}" for kind in kinds))
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
