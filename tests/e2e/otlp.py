# SPDX-License-Identifier: Apache-2.0
"""OTLP requests by hand, and the one form in which the tests compare spans."""

import base64
import itertools
import json
import os
import time

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from server import OTLP_HTTP

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


def new_trace_id():
    return os.urandom(16)


def new_span_id():
    return os.urandom(8)


def any_value(value):
    made = common_pb2.AnyValue()
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, bytes):
        made.bytes_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, dict):
        made.kvlist_value.values.extend(attributes(value))
    elif isinstance(value, (list, tuple)):
        made.array_value.values.extend(any_value(item) for item in value)
    else:
        assert value is None  # an AnyValue with nothing in it
    return made


def attributes(values):
    return [common_pb2.KeyValue(key=key, value=any_value(value))
            for key, value in values.items()]


def span(trace_id, name="op", span_id=None, start=None, duration=1_000_000,
         attrs=None, **fields):
    start = time.time_ns() if start is None else start
    return trace_pb2.Span(
        trace_id=trace_id,
        span_id=new_span_id() if span_id is None else span_id, name=name,
        start_time_unix_nano=start, end_time_unix_nano=start + duration,
        attributes=attributes(attrs or {}), **fields)


def request(spans, service="shop", resource=None):
    made = trace_service_pb2.ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.extend(
        attributes({"service.name": service, **(resource or {})}))
    group.scope_spans.add().spans.extend(spans)
    return made


def post(server, body, content_type=PROTOBUF, **headers):
    if not isinstance(body, (bytes, str)):
        body = body.SerializeToString()
    return server.request(
        OTLP_HTTP, "POST", "/v1/traces", body,
        {"Content-Type": content_type,
         **{key.replace("_", "-"): value for key, value in headers.items()}})


def send(server, spans, **options):
    """Stores spans; anything but a plain success fails the test."""
    reply = post(server, request(spans, **options))
    assert reply.status == 200, reply.body
    answer = trace_service_pb2.ExportTraceServiceResponse.FromString(reply.body)
    assert answer.partial_success.rejected_spans == 0, answer


def partial_success(reply):
    """(rejected spans, message) of a 200."""
    assert reply.status == 200, reply.body
    made = trace_service_pb2.ExportTraceServiceResponse()
    if reply.content_type.startswith(JSON):
        json_format.Parse(reply.body, made)
    else:
        made.ParseFromString(reply.body)
    return made.partial_success.rejected_spans, made.partial_success.error_message


ID_KEYS = ("traceId", "spanId", "parentSpanId")


def hex_ids_to_base64(node):
    """OTLP/JSON writes ids as hex where protobuf's JSON wants base64."""
    if isinstance(node, list):
        return [hex_ids_to_base64(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: base64.b64encode(bytes.fromhex(value)).decode()
            if key in ID_KEYS and isinstance(value, str)
            else hex_ids_to_base64(value) for key, value in node.items()}


def from_otlp_json(document):
    """TracesData of a parsed OTLP/JSON document (hex ids)."""
    return json_format.ParseDict(
        hex_ids_to_base64(document), trace_pb2.TracesData())


def to_otlp_json(message):
    """The bytes that an OTLP/JSON client sends."""
    def to_hex(node):
        if isinstance(node, list):
            return [to_hex(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {key: base64.b64decode(value).hex()
                if key in ID_KEYS else to_hex(value)
                for key, value in node.items()}
    document = json_format.MessageToDict(message, use_integers_for_enums=True)
    return json.dumps(to_hex(document))


def _plain_value(value):
    kind = value.WhichOneof("value")
    if kind is None:
        return ("empty",)
    if kind == "array_value":
        return (kind, [_plain_value(item) for item in value.array_value.values])
    if kind == "kvlist_value":
        return (kind, _plain_attributes(value.kvlist_value.values))
    return (kind, repr(getattr(value, kind)))


def _plain_attributes(pairs):
    return sorted((pair.key, _plain_value(pair.value)) for pair in pairs)


def canonical(data):
    """{span id in hex: every field of the span, its scope and its resource}.

    Two TracesData hold the same spans if and only if these are equal."""
    spans = {}
    groups = itertools.chain.from_iterable(
        ((group, scope) for scope in group.scope_spans)
        for group in data.resource_spans)
    for group, scope in groups:
        for item in scope.spans:
            key = item.span_id.hex()
            assert key not in spans, f"span {key} came twice"
            spans[key] = _plain_span(item, group, scope)
    return spans


def _plain_span(item, group, scope):
    return {
        "trace_id": item.trace_id.hex(),
        "parent": item.parent_span_id.hex(),
        "name": item.name,
        "kind": item.kind,
        "times": (item.start_time_unix_nano, item.end_time_unix_nano),
        "attributes": _plain_attributes(item.attributes),
        "events": [(e.time_unix_nano, e.name, _plain_attributes(e.attributes),
                    e.dropped_attributes_count) for e in item.events],
        "links": [(k.trace_id.hex(), k.span_id.hex(), k.trace_state, k.flags,
                   _plain_attributes(k.attributes),
                   k.dropped_attributes_count) for k in item.links],
        "status": (item.status.code, item.status.message),
        "trace_state": item.trace_state,
        "flags": item.flags,
        "dropped": (item.dropped_attributes_count, item.dropped_events_count,
                    item.dropped_links_count),
        "resource": (_plain_attributes(group.resource.attributes),
                     group.resource.dropped_attributes_count, group.schema_url),
        "scope": (scope.scope.name, scope.scope.version, scope.schema_url,
                  _plain_attributes(scope.scope.attributes)),
    }
