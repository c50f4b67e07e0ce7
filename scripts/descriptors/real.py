"""The real descriptors: Envoy's as the PyPI package xds-protos has them, Google's as protobuf has them."""

import importlib
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos" / "xds"


def proto_paths(protos):
    """The paths of all .proto files under a folder, relative to it, sorted."""
    return sorted(path.relative_to(protos).as_posix() for path in pathlib.Path(protos).rglob("*.proto"))


def load(path):
    """The real file of this path, as its generated Python module. Our files have the paths of the real ones."""
    return importlib.import_module(path.removesuffix(".proto").replace("/", ".") + "_pb2")


def load_all(protos=PROTOS):
    for path in proto_paths(protos):
        load(path)
