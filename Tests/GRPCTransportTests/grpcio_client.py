"""Calls the test server with grpcio and no protos: messages are plain bytes."""
import sys

import grpc

options = [
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
]


def same(value):
    return value


with grpc.insecure_channel(sys.argv[1], options=options) as channel:
    echo = channel.stream_stream("/test/Echo", request_serializer=same, response_deserializer=same)
    unary = channel.unary_unary("/test/Echo", request_serializer=same, response_deserializer=same)

    # Bidirectional: each answer before the next request, then many at once.
    messages = [b"", b"a", b"b" * 100, b"c" * 70_000, b"d" * (5 << 20)]
    call = echo(iter(messages), timeout=60)
    assert list(call) == messages
    assert call.code() == grpc.StatusCode.OK
    assert ("x-trailer", "end") in [tuple(pair) for pair in call.trailing_metadata()]

    many = [str(index).encode() * 50 for index in range(5000)]
    assert list(echo(iter(many), timeout=60)) == many

    assert unary(b"hello", timeout=60) == b"hello"

    def refused(method, code, details=None, timeout=60, compression=None, request=b"x"):
        stub = channel.stream_stream(method, request_serializer=same, response_deserializer=same)
        try:
            list(stub(iter([request]), timeout=timeout, compression=compression))
        except grpc.RpcError as error:
            assert error.code() == code, error
            assert details is None or error.details() == details, error.details()
        else:
            raise AssertionError(f"{method} should have failed")

    refused("/test/Nothing", grpc.StatusCode.UNIMPLEMENTED, "unknown method /test/Nothing")
    refused("/test/Fail", grpc.StatusCode.NOT_FOUND, "no such thing: 100 % würklich\n")
    refused("/test/Probe", grpc.StatusCode.DEADLINE_EXCEEDED, timeout=0.2)
    refused(
        "/test/Echo", grpc.StatusCode.UNIMPLEMENTED, "compressed messages are not supported",
        compression=grpc.Compression.Gzip, request=b"x" * 10_000)
    refused("/test/Echo", grpc.StatusCode.RESOURCE_EXHAUSTED, request=b"x" * ((32 << 20) + 1))

print("all good")
