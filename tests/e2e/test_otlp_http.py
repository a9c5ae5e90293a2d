# SPDX-License-Identifier: Apache-2.0
"""OTLP/HTTP: encodings, content codings, and the answer to each bad request."""

import gzip
import json
import socket
import zlib

import pytest
import zstandard
from google.rpc import status_pb2

from otlp import (JSON, PROTOBUF, any_value, canonical, from_otlp_json,
                  new_span_id, new_trace_id, partial_success, post, request,
                  span, to_otlp_json)
from read_apis import LOSSLESS, assert_same_everywhere, find_trace
from server import OTLP_HTTP, SANITIZED


def rich_request():
    """Fields that no SDK sends but the protocol has."""
    trace_id = new_trace_id()
    item = span(trace_id, attrs={
        "bytes": b"\x00\xff\x10", "nothing": None,
        "tree": {"list": [1, {"deep": [b"x", None, 0.5]}], "map": {}},
        "mixed": [1, "two", 3.0, True, b"4", [5], {"six": 6}],
        "min": -(2**63), "max": 2**63 - 1,
    }, kind=2, trace_state="vendor=1,other=2", flags=0x301,
        dropped_attributes_count=3, dropped_events_count=4,
        dropped_links_count=5)
    event = item.events.add(time_unix_nano=item.start_time_unix_nano + 1,
                            name="e", dropped_attributes_count=6)
    event.attributes.add(key="k").value.CopyFrom(any_value({"a": [1]}))
    link = item.links.add(trace_id=new_trace_id(), span_id=new_span_id(),
                          trace_state="l=1", flags=0x101,
                          dropped_attributes_count=7)
    link.attributes.add(key="k").value.CopyFrom(any_value(b"\x01"))
    made = request([item], resource={"zone": {"name": "a", "id": 1}})
    group = made.resource_spans[0]
    group.schema_url = "https://example.com/resource/1"
    group.resource.dropped_attributes_count = 8
    group.scope_spans[0].schema_url = "https://example.com/scope/1"
    scope = group.scope_spans[0].scope
    scope.name, scope.version = "scope", "1"
    scope.attributes.add(key="k").value.CopyFrom(any_value(True))
    return made


def test_nothing_of_a_protobuf_span_is_lost(server):
    sent = rich_request()
    assert partial_success(post(server, sent)) == (0, "")
    assert_same_everywhere(server, sent)


def test_nothing_of_a_json_span_is_lost(server):
    sent = rich_request()
    reply = post(server, to_otlp_json(sent), JSON)
    assert (reply.status, reply.json) == (200, {"partialSuccess": {}})
    assert reply.content_type == JSON
    assert_same_everywhere(server, sent)


def test_json_is_read_as_tolerantly_as_the_collector_does(server):
    trace_id, span_id = new_trace_id().hex(), new_span_id().hex()
    odd = {"resource_spans": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"string_value": "odd"}}],
            "unknown": {"deep": [1]}},
        "scopeSpans": [{"spans": [{
            "traceId": trace_id.upper(), "span_id": span_id.upper(),
            "parentSpanId": "", "name": "odd", "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": 1_700_000_000_000_000_000,
            "end_time_unix_nano": "1700000000000000005",
            "flags": "257", "traceState": None,
            "attributes": [
                {"key": "number", "value": {"intValue": 7}},
                {"key": "text number", "value": {"intValue": "-8"}},
                {"key": "nan", "value": {"doubleValue": "NaN"}},
                {"key": "text double", "value": {"doubleValue": "1.5"}},
                {"key": "url-safe", "value": {"bytesValue": "-_8="}},
                {"key": "empty", "value": {}}],
            "status": {"code": "STATUS_CODE_ERROR"}, "more": None}]}]}]}
    plain = {"resourceSpans": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "odd"}}]},
        "scopeSpans": [{"spans": [{
            "traceId": trace_id, "spanId": span_id, "name": "odd", "kind": 2,
            "startTimeUnixNano": "1700000000000000000",
            "endTimeUnixNano": "1700000000000000005", "flags": 257,
            "attributes": [
                {"key": "number", "value": {"intValue": "7"}},
                {"key": "text number", "value": {"intValue": "-8"}},
                {"key": "nan", "value": {"doubleValue": "NaN"}},
                {"key": "text double", "value": {"doubleValue": 1.5}},
                {"key": "url-safe", "value": {"bytesValue": "+/8="}},
                {"key": "empty", "value": {}}],
            "status": {"code": 2}}]}]}]}
    reply = post(server, json.dumps(odd), "Application/JSON; charset=utf-8")
    assert (reply.status, reply.json) == (200, {"partialSuccess": {}})
    find_trace(server, trace_id, 1)
    for read in LOSSLESS:
        assert canonical(read(server, trace_id)) == canonical(
            from_otlp_json(plain)), read.__name__


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": lambda body: body,
}


@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_body_is_stored(server, coding):
    sent = request([span(new_trace_id())])
    body = CODINGS[coding](sent.SerializeToString())
    assert partial_success(
        post(server, body, Content_Encoding=coding)) == (0, "")
    assert_same_everywhere(server, sent)


def test_chunked_body_is_stored(server):
    sent = request([span(new_trace_id(), attrs={"pad": "x" * 100_000})])
    body = sent.SerializeToString()
    pieces = (body[at:at + 7000] for at in range(0, len(body), 7000))
    reply = server.request(OTLP_HTTP, "POST", "/v1/traces", pieces,
                           {"Content-Type": PROTOBUF})
    assert partial_success(reply) == (0, "")
    assert_same_everywhere(server, sent)


def test_body_waits_for_100_continue(server):
    sent = request([span(new_trace_id())])
    body = sent.SerializeToString()
    with socket.create_connection(
            ("127.0.0.1", server.port(OTLP_HTTP)), timeout=10) as peer:
        peer.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: h\r\n"
                     b"Content-Type: application/x-protobuf\r\n"
                     b"Expect: 100-continue\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(body))
        assert peer.recv(4096).startswith(b"HTTP/1.1 100 ")
        peer.sendall(body)
        assert peer.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_request_without_spans_succeeds(server):
    assert partial_success(post(server, b"")) == (0, "")
    assert post(server, "{}", JSON).json == {"partialSuccess": {}}


def assert_status_body(reply, http_status, grpc_code):
    """The body is a google.rpc.Status in the request's own type."""
    assert reply.status == http_status, reply.body
    if reply.content_type.startswith(JSON):
        assert reply.json["code"] == grpc_code
        message = reply.json["message"]
    else:
        assert reply.content_type == PROTOBUF
        status = status_pb2.Status.FromString(reply.body)
        assert status.code == grpc_code
        message = status.message
    assert message
    return message


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_405(server, method):
    reply = server.request(OTLP_HTTP, method, "/v1/traces")
    assert reply.status == 405
    assert reply.content_type.startswith("text/plain")
    assert reply.text.strip() == "405 method not allowed, supported: [POST]"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_other_content_types_are_415(server, content_type):
    reply = post(server, b"", content_type)
    assert reply.status == 415
    assert reply.content_type.startswith("text/plain")
    assert reply.text.strip() == (
        "415 unsupported media type, supported: "
        "[application/json, application/x-protobuf]")


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/logs", "/", "/v1/traces/"])
def test_other_paths_are_404(server, path):
    reply = server.request(OTLP_HTTP, "POST", path, b"",
                           {"Content-Type": PROTOBUF})
    assert reply.status == 404
    assert reply.content_type.startswith("text/plain")
    assert reply.text.strip() == "404 page not found"


@pytest.mark.parametrize("body, content_type", [
    (b"\xff\xff\xff", PROTOBUF),
    (b"\x0a\x7fshort", PROTOBUF),
    (b"{", JSON),
    (b"[1, 2]", JSON),
    (b'{"resourceSpans": 7}', JSON),
    (b"not json", JSON),
    (b"[" * 100_000, JSON),
], ids=range(7))
def test_body_that_does_not_decode_is_400(server, body, content_type):
    assert_status_body(post(server, body, content_type), 400, 3)


def test_every_truncation_is_answered(server):
    body = rich_request().SerializeToString()
    for length in range(0, len(body), 11):
        assert post(server, body[:length]).status in (200, 400)


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("coding, body", [
    ("gzip", b"not gzip at all"),
    ("gzip", gzip.compress(b"x" * 1000)[:-20]),
    ("gzip", gzip.compress(b"x" * 1000)[:-4] + b"\0\0\0\0"),
    ("deflate", b"\x00\x01"),
    ("zstd", b"\x28\xb5\x2f\xfd broken"),
    ("br", b""),
    ("gzip, gzip", b""),
], ids=["no gzip", "truncated", "wrong checksum", "no zlib", "broken zstd",
        "unknown", "twice"])
def test_broken_or_unknown_coding_is_400(server, coding, body, content_type):
    reply = post(server, body, content_type, Content_Encoding=coding)
    assert_status_body(reply, 400, 3)


def test_oversized_body_is_413(server):
    assert_status_body(post(server, b"\0" * (20 * 1024 * 1024 + 1)), 413, 8)


@pytest.mark.parametrize("coding", ["gzip", "zstd", "deflate"])
def test_bomb_is_413_and_costs_no_memory(server, coding):
    bomb = CODINGS[coding](bytes(500_000_000))
    before = server.resident_bytes()
    message = assert_status_body(
        post(server, bomb, Content_Encoding=coding), 413, 8)
    assert "20" in message  # the limit, in whatever unit
    assert SANITIZED or server.resident_bytes() - before < 200_000_000


@pytest.mark.parametrize("field, size", [("trace_id", 15), ("trace_id", 17),
                                         ("trace_id", 8), ("span_id", 7),
                                         ("span_id", 16)])
def test_id_of_another_length_refuses_the_request(server, field, size):
    item = span(new_trace_id())
    setattr(item, field, b"\x01" * size)
    assert_status_body(post(server, request([item])), 400, 3)
    assert_status_body(post(server, to_otlp_json(request([item])), JSON), 400, 3)


def test_half_a_request_leaves_the_server_well(server):
    for head in (b"POST", b"POST /v1/traces HTTP/1.1\r\n",
                 b"POST /v1/traces HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc"):
        with socket.create_connection(
                ("127.0.0.1", server.port(OTLP_HTTP)), timeout=10) as peer:
            peer.sendall(head)
    assert partial_success(post(server, request([span(new_trace_id())]))) == (0, "")


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 64, b"GET\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"],
    ids=["tls", "zeros", "no target", "negative length", "bad chunk",
         "endless header"])
def test_garbage_instead_of_http_is_refused(server, garbage):
    with socket.create_connection(
            ("127.0.0.1", server.port(OTLP_HTTP)), timeout=10) as peer:
        try:
            peer.sendall(garbage)
            peer.shutdown(socket.SHUT_WR)
            reply = peer.recv(4096)
        except ConnectionError:
            reply = b""
    assert reply == b"" or reply.startswith(b"HTTP/1.1 4")
    assert post(server, b"").status == 200
