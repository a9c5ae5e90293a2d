# SPDX-License-Identifier: Apache-2.0
"""Reads a trace through every query API."""

import base64

from google.protobuf import json_format
from opentelemetry.proto.trace.v1 import trace_pb2

from otlp import canonical, from_otlp_json
from server import JAEGER, TEMPO, eventually


def jaeger_v3(server, trace_id):
    reply = server.get(JAEGER, f"/api/v3/traces/{trace_id}")
    assert reply.status == 200, reply.body
    return from_otlp_json(reply.json["result"])


def tempo_v1_json(server, trace_id):
    reply = server.get(TEMPO, f"/api/traces/{trace_id}")
    assert reply.status == 200, reply.body
    # Tempo writes base64 ids and enum names: protobuf's own JSON.
    return json_format.ParseDict({"resourceSpans": reply.json["batches"]},
                                 trace_pb2.TracesData())


def tempo_v1_protobuf(server, trace_id):
    reply = server.get(TEMPO, f"/api/traces/{trace_id}",
                       Accept="application/protobuf")
    assert (reply.status, reply.content_type) == (200, "application/protobuf")
    return trace_pb2.TracesData.FromString(reply.body)


def tempo_v2_json(server, trace_id):
    reply = server.get(TEMPO, f"/api/v2/traces/{trace_id}")
    assert reply.status == 200, reply.body
    return json_format.ParseDict(reply.json["trace"], trace_pb2.TracesData())


def field_one(message):
    """The bytes of field 1 of a message that starts with it."""
    assert message[0] == 0x0A
    length, shift, at = 0, 0, 1
    while True:
        byte = message[at]
        length |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return message[at:at + length]


def tempo_v2_protobuf(server, trace_id):
    reply = server.get(TEMPO, f"/api/v2/traces/{trace_id}",
                       Accept="application/protobuf")
    assert (reply.status, reply.content_type) == (200, "application/protobuf")
    return trace_pb2.TracesData.FromString(field_one(reply.body))


LOSSLESS = (jaeger_v3, tempo_v1_json, tempo_v1_protobuf, tempo_v2_json,
            tempo_v2_protobuf)


def find_trace(server, trace_id, span_count):
    """Jaeger's v1 form, as soon as that many spans of it are there."""
    def probe():
        reply = server.get(JAEGER, f"/api/traces/{trace_id}?raw=true")
        if reply.status != 200:
            return None
        trace = reply.json["data"][0]
        return trace if len(trace["spans"]) >= span_count else None
    return eventually(probe, f"{span_count} spans of trace {trace_id}", 5)


def assert_same_everywhere(server, expected):
    """`expected` (TracesData or a request) is what every API gives back."""
    wanted = canonical(expected)
    trace_ids = {item["trace_id"] for item in wanted.values()}
    assert len(trace_ids) == 1
    trace_id = trace_ids.pop()
    jaeger = find_trace(server, trace_id, len(wanted))
    for read in LOSSLESS:
        assert canonical(read(server, trace_id)) == wanted, read.__name__
    assert_jaeger_shows(jaeger, expected)


def assert_jaeger_shows(trace, expected):
    """Jaeger's v1 JSON: the fields it has, in its units and words."""
    shown = {item["spanID"]: item for item in trace["spans"]}
    count = 0
    for group in expected.resource_spans:
        for scope in group.scope_spans:
            for item in scope.spans:
                count += 1
                _check_jaeger_span(trace, shown[item.span_id.hex()], group, item)
    assert len(shown) == len(trace["spans"]) == count


def _tags(pairs):
    return {tag["key"]: (tag["type"], tag["value"]) for tag in pairs}


def jaeger_tag(value):
    """(type, value) that Jaeger shows for an AnyValue, or None: composed."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return ("string", value.string_value)
    if kind == "bool_value":
        return ("bool", value.bool_value)
    if kind == "int_value":
        exact = abs(value.int_value) <= 2**53 - 1
        return ("int64", value.int_value if exact else str(value.int_value))
    if kind == "double_value":
        return ("float64", value.double_value)
    if kind == "bytes_value":
        return ("binary", base64.b64encode(value.bytes_value).decode())
    return None


def _check_tags(shown, wanted):
    for pair in wanted:
        tag = jaeger_tag(pair.value)
        assert pair.key in shown
        if tag is not None:
            assert shown[pair.key] == tag, pair.key


KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


def _check_jaeger_span(trace, shown, group, item):
    assert shown["traceID"].zfill(32) == item.trace_id.hex()
    assert shown["operationName"] == item.name
    assert shown["startTime"] == item.start_time_unix_nano // 1000
    wanted = item.end_time_unix_nano - item.start_time_unix_nano
    assert abs(shown["duration"] - wanted / 1000) <= 1
    tags = _tags(shown["tags"])
    _check_tags(tags, item.attributes)
    if item.kind:
        assert tags["span.kind"] == ("string", KINDS[item.kind])
    if item.status.code == 2:
        assert tags["error"] == ("bool", True)
        assert tags["otel.status_code"] == ("string", "ERROR")
        if item.status.message:
            assert tags["otel.status_description"][1] == item.status.message
    assert [log["timestamp"] for log in shown["logs"]] == [
        event.time_unix_nano // 1000 for event in item.events]
    for log, event in zip(shown["logs"], item.events):
        fields = _tags(log["fields"])
        assert fields["event"] == ("string", event.name)
        _check_tags(fields, event.attributes)
    references = {(ref["refType"], ref["spanID"]) for ref in shown["references"]}
    if item.parent_span_id:
        assert ("CHILD_OF", item.parent_span_id.hex()) in references
    for link in item.links:
        assert link.span_id.hex() in {span_id for _, span_id in references}
    process = trace["processes"][shown["processID"]]
    resource = {pair.key: pair.value for pair in group.resource.attributes}
    assert process["serviceName"] == resource["service.name"].string_value
    _check_tags(_tags(process["tags"]),
                [pair for pair in group.resource.attributes
                 if pair.key != "service.name"])
